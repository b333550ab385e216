// What a follower does with its leader's appends and heartbeats.
#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/mutant.h"
#include "raft/node.h"

namespace mesh::raft {

// Notes a sign of life of this term's leader. False if it cannot be that.
bool Node::hear_leader(ServerId leader) {
  if (!CONTAIN(leading() == nullptr, "server {} leads our term, too", leader.value())) return false;
  if (!std::holds_alternative<FollowerState>(role_)) become_follower(hard_state_.term, leader);
  auto& follower = std::get<FollowerState>(role_);
  if (follower.leader == kNoServer) follower.leader = leader;
  if (!CONTAIN(follower.leader == leader, "servers {} and {} lead one term", follower.leader.value(), leader.value()))
    return false;
  leader_heard_ = now_;
  arm_election_timer();
  return true;
}

void Node::handle(const Message& message, const Heartbeat& heartbeat) {
  if (!hear_leader(message.from)) return;
  note_repair(heartbeat.repair);
  // A leader that has not heard of the damage counts on entries that are lost; others may stand in their place here.
  if (!damaged() || heartbeat.repair.nonce == damage_nonce_ || MESH_MUTANT(DamagedCommits))
    commit_through(heartbeat.commit);
  send(message.from, HeartbeatResponse{.round = heartbeat.round, .repair_nonce = damage_nonce_});
}

void Node::handle(const Message& message, const AppendRequest& request) {
  if (!well_formed(message, request) || !hear_leader(message.from)) return;
  note_repair(request.repair);
  if (receiver_.whole()) return;  // the log is about to be replaced
  const LogPosition previous = request.previous;
  // What is committed here is equal in the leader's log, even where it was compacted away.
  const bool unchecked = MESH_MUTANT(PreviousNotChecked) && previous.index <= log_.last().index;
  if (previous.index > commit_ && !log_.holds(previous) && !unchecked) {
    const LogPosition hint = log_.last_below(previous);
    send(message.from, AppendResponse{true, previous.index, hint, damage_nonce_});
    return;
  }
  const Index end = previous.index + request.entries.size();
  if (end > log_.last().index && backlog_full()) return;  // the leader sends it again
  take_entries(request.entries);
  const Index matched = std::max(end, std::min(commit_, log_.last().index));
  matched_ = std::max(matched_, matched);
  commit_through(MESH_MUTANT(CommitBeyondMatch) ? request.commit : std::min(request.commit, end));
  const AppendResponse answer{false, matched, {}, damage_nonce_};
  if (outbox_.settled(matched) || MESH_MUTANT(AckBeforeDurable)) {
    send(message.from, answer);
  } else {
    send_when_durable(message.from, answer);
  }
}

bool Node::well_formed(const Message& message, const AppendRequest& request) const {
  LogPosition at = request.previous;
  for (const Entry& entry : request.entries) {
    const bool follows = entry.index == at.index + 1 && entry.term >= at.term && entry.term <= message.term;
    if (!CONTAIN(follows, "entry {} of term {} behind {}", entry.index.value(), entry.term.value(), at.index.value()))
      return false;
    if (entry.kind == EntryKind::Configuration &&
        !CONTAIN(decode_configuration(entry.payload).ok(), "entry {} is no configuration", entry.index.value()))
      return false;
    at = {entry.index, entry.term};
  }
  return true;
}

// Skips what is here already, cuts off what differs, appends the rest.
void Node::take_entries(const std::vector<Entry>& entries) {
  for (const Entry& entry : entries) {
    if (entry.index <= commit_) continue;
    if (entry.index <= log_.last().index) {
      if (log_.term_at(entry.index) == entry.term || MESH_MUTANT(TailNotCut)) continue;
      log_.truncate(entry.index);
      history_.truncate(entry.index);
      outbox_.truncate(entry.index);
    }
    append_to_log(entry);
  }
}

void Node::commit_through(Index index) {
  if (receiver_.installing()) return;  // the snapshot is ahead of this log, and its base becomes the commit index
  commit_ = std::max(commit_, std::min(index, log_.last().index));
}

bool Node::backlog_full() const {
  const std::uint64_t volatile_bytes = log_.bytes_between(outbox_.durable(), log_.last().index);
  const std::uint64_t unapplied_bytes = log_.bytes_between(applied_, commit_);
  return volatile_bytes + unapplied_bytes >= options_.backlog_bytes_max.value();
}

void Node::note_repair(const Repair& repair) {
  if (damaged() && repair.nonce == damage_nonce_) repair_through_ = repair.through;
}

// Whole again: everything that this term's leader had when it forgot our old answers is here and on disk.
void Node::finish_repair() {
  if (!damaged() || damage_clearing_ || !repair_through_) return;
  if (matched_ < *repair_through_ || outbox_.durable() < *repair_through_) return;
  damage_clearing_ = true;
  // What the tables hold was committed once, even if this leader does not know it yet; now the log holds it, too.
  commit_ = std::max(commit_, handed_);
  outbox_.clear_damage();
}

}  // namespace mesh::raft
