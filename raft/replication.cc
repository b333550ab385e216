// The leader's side: proposals, appends, heartbeats, commit.
#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/mutant.h"
#include "raft/node.h"

namespace mesh::raft {
namespace {

// A probe looks for the end of the common log; it carries little, because it is often refused.
constexpr ByteCount kProbeBytesMax{64 * 1024};

}  // namespace

void Node::on(Propose event) {
  for (Proposal& proposal : event.proposals) finish(proposal.id, accept_proposal(std::move(proposal.payload)));
}

Result<LogPosition> Node::accept_proposal(Bytes payload) {
  const LeaderState* leader = leading();
  if (leader == nullptr) return error(Code::Unavailable, "this server does not lead");
  if (leader->hand_over) return error(Code::Unavailable, "leadership is being handed over");
  if (storage_full_) return error(Code::Io, "no space on the leader's disk: make room there and write again");
  if (payload.size() > options_.entry_bytes_max.value())
    return error(Code::Invalid, "{} bytes, at most {} are allowed", payload.size(), options_.entry_bytes_max.value());
  const std::uint64_t uncommitted = log_.bytes_between(commit_, log_.last().index);
  if (uncommitted + payload.size() > options_.uncommitted_bytes_max.value())
    return error(Code::Overloaded, "{} bytes wait for a quorum", uncommitted);
  append_to_log({log_.last().index + 1, hard_state_.term, EntryKind::Command, std::move(payload)});
  return log_.last();
}

// Makes the followers those of the configuration in force.
void Node::sync_followers() {
  LeaderState& leader = *leading();
  const Configuration& members = configuration();
  for (auto it = leader.followers.begin(); it != leader.followers.end();) {
    if (members.contains(it->first)) {
      ++it;
    } else {
      close_snapshot(it->second);
      it = leader.followers.erase(it);
    }
  }
  const auto add = [&](ServerId id) {
    if (id == self_ || leader.followers.contains(id)) return;
    leader.followers.emplace(id, Progress(log_.last().index + 1, now_));
    leader.heartbeat_at = now_;
  };
  std::for_each(members.voters.begin(), members.voters.end(), add);
  std::for_each(members.learners.begin(), members.learners.end(), add);
}

// An entry is committed when a quorum holds it and it is of this leader's own term (thesis 3.6.2, figure 3.7: entries
// of older terms are committed by what stands behind them, never by counting).
void Node::advance_commit() {
  std::vector<Index> held;
  for (const ServerId id : configuration().voters)
    held.push_back(id == self_ ? (MESH_MUTANT(OwnDiskNotAwaited) ? log_.last().index : outbox_.durable()) : leading()->followers.at(id).counted_match());
  const Index agreed = quorum_value(std::move(held));
  if (agreed <= commit_) return;
  if (log_.term_at(agreed) != hard_state_.term && !MESH_MUTANT(OldTermCommitted)) return;
  commit_ = agreed;
  leave_if_removed();
}

void Node::replicate() {
  for (auto& [id, progress] : leading()->followers) {
    replicate_to(id, progress);
    if (std::min(progress.match(), commit_) > progress.commit_sent) send_heartbeat(id, progress);
  }
}

void Node::replicate_to(ServerId id, Progress& progress) {
  while (progress.has_room(options_)) {
    if (!send_entries(id, progress)) return;
  }
}

// Sends one append if there is something to send; false if there is not, or it must come from the disk first.
bool Node::send_entries(ServerId id, Progress& progress) {
  const Index next = progress.next();
  if (next <= log_.base().index) {
    begin_snapshot(progress);
    return false;
  }
  const bool in_memory = next >= log_.memory_first();
  if (progress.probing()) {
    send_append(id, progress,
                in_memory ? log_.slice(next, log_.last().index + 1, kProbeBytesMax) : std::vector<Entry>{});
    return true;
  }
  if (next > log_.last().index) return false;
  if (!in_memory) {
    load_entries(id, progress);
    return false;
  }
  send_append(id, progress, log_.slice(next, log_.last().index + 1, options_.append_bytes_max));
  return true;
}

void Node::send_append(ServerId id, Progress& progress, std::vector<Entry> entries) {
  const Index before = progress.next() - 1;
  const Index last = before + entries.size();
  std::uint64_t bytes = 0;
  for (const Entry& entry : entries) bytes += entry_bytes(entry);
  progress.sent(last, bytes, now_);
  progress.commit_sent = std::max(progress.commit_sent, std::min(commit_, last));
  send(id, AppendRequest{.previous = {before, log_.term_at(before)},
                         .commit = commit_,
                         .entries = std::move(entries),
                         .repair = progress.repair()});
}

void Node::load_entries(ServerId id, Progress& progress) {
  if (progress.loading || now_ < progress.load_retry_at) return;
  progress.loading = true;
  actions_.loads.push_back({id, progress.next(), log_.memory_first(), options_.append_bytes_max});
}

void Node::on(EntriesLoaded event) {
  Progress* found = find_follower(event.follower);
  if (found == nullptr) return;
  Progress& progress = *found;
  progress.loading = false;
  if (event.entries.empty()) {
    progress.load_retry_at = now_ + options_.retry_interval;
    return;
  }
  Index expected = progress.next();
  for (const Entry& entry : event.entries) {
    if (entry.index != expected || !log_.holds({entry.index, entry.term})) return;
    ++expected;
  }
  if (progress.replicating() && progress.has_room(options_) && progress.next() > log_.base().index)
    send_append(event.follower, progress, std::move(event.entries));
}

Progress* Node::find_follower(ServerId id) {
  LeaderState* leader = leading();
  if (leader == nullptr) return nullptr;
  const auto found = leader->followers.find(id);
  return found == leader->followers.end() ? nullptr : &found->second;
}

// The follower that an answer comes from, if the answer may be used.
Progress* Node::admit_follower(ServerId id, std::uint64_t repair_nonce) {
  Progress* found = find_follower(id);
  if (found == nullptr) return nullptr;
  Progress& progress = *found;
  const bool was_sending = progress.sending() != nullptr;
  const SnapshotId snapshot = was_sending ? progress.sending()->id : SnapshotId{};
  progress.hear(now_);
  const std::uint64_t nonce_before = progress.repair().nonce;
  if (!progress.admit(repair_nonce, log_.last().index)) return nullptr;
  if (progress.repair().nonce != nonce_before) progress.repair_round = leading()->round;
  if (was_sending && progress.sending() == nullptr) actions_.snapshots.push_back(CloseSnapshot{snapshot});
  return &progress;
}

void Node::handle(const Message& message, const AppendResponse& response) {
  Progress* progress = admit_follower(message.from, response.repair_nonce);
  if (progress == nullptr) return;
  if (response.rejected) {
    // The follower names its last entry that may match; the same rule on our log skips a term at a time (5.3).
    progress->rejected(response.index, log_.last_below(response.hint).index);
    return;
  }
  if (CONTAIN(response.index <= log_.last().index, "server {} acknowledges {} of {}", message.from.value(),
              response.index.value(), log_.last().index.value()))
    progress->accepted(response.index);
}

void Node::handle(const Message& message, const HeartbeatResponse& response) {
  Progress* repaired = find_follower(message.from);
  if (repaired != nullptr && response.repair_nonce == 0) repaired->note_whole(response.round);
  Progress* progress = admit_follower(message.from, response.repair_nonce);
  if (progress == nullptr) return;
  LeaderState& leader = *leading();
  if (!CONTAIN(response.round <= leader.round, "server {} answers round {} of {}", message.from.value(),
               response.round, leader.round))
    return;
  const auto round = std::lower_bound(leader.rounds.begin(), leader.rounds.end(), response.round,
                                      [](const LeaderState::Round& r, std::uint64_t number) { return r.number < number; });
  const bool known = round != leader.rounds.end() && round->number == response.round;
  progress->answer_round(response.round, known ? round->sent_at : MonoTime::min());
  if (!progress->answered_heartbeat(now_, options_.heartbeat_interval)) return;
  if (progress->next() <= log_.base().index) {
    begin_snapshot(*progress);
  } else {
    send_append(message.from, *progress, {});
  }
}

// Heartbeats are apart from appends and wait for nothing (R7). Every round has a new number.
void Node::begin_round() {
  LeaderState& leader = *leading();
  leader.rounds.push_back({++leader.round, now_});
  while (leader.rounds.front().sent_at + options_.election_timeout * 2 < now_) leader.rounds.pop_front();
  leader.heartbeat_at = now_ + options_.heartbeat_interval;
  for (auto& [id, progress] : leader.followers) send_heartbeat(id, progress);
}

void Node::send_heartbeat(ServerId id, Progress& progress) {
  const Index commit = std::min(progress.match(), commit_);
  progress.commit_sent = std::max(progress.commit_sent, commit);
  send(id, Heartbeat{.commit = commit, .round = leading()->round, .repair = progress.repair()});
}

MonoTime Node::quorum_heard() const {
  std::vector<MonoTime> heard;
  for (const ServerId id : configuration().voters)
    heard.push_back(id == self_ ? now_ : leading()->followers.at(id).heard());
  return quorum_value(std::move(heard));
}

}  // namespace mesh::raft
