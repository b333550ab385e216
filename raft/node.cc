#include "raft/node.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/mutant.h"

namespace mesh::raft {

Node::Node(const CoreOptions& options, ServerId self, RecoveredState recovered, Rng rng, MonoTime now)
    : options_(options),
      self_(self),
      rng_(rng),
      hard_state_(recovered.log.hard_state),
      log_(recovered.log.base.position),
      history_(recovered.log.base),
      outbox_(recovered.log.hard_state, recovered.log.base.position.index + recovered.log.entries.size()),
      compact_at_bytes_(options.compact_bytes.value() + rng_.below(options.compact_bytes.value() / 4 + 1)),
      // A voter cannot know what it promised a leader before it stopped, so it keeps the promise that a leader's lease
      // builds upon: no vote within an election timeout of its start.
      leader_heard_(now),
      next_read_id_(rng_.next() >> 1),
      next_snapshot_id_(rng_.next() >> 1),
      now_(now) {
  CHECK(self != kNoServer);
  const Status valid = options.validate();
  CHECK(valid.ok(), "{}", valid.error().message);
  recover(std::move(recovered));
  if (alone()) {
    election_at_ = now;
  } else {
    arm_election_timer();
  }
}

void Node::recover(RecoveredState recovered) {
  for (Entry& entry : recovered.log.entries) {
    if (entry.kind == EntryKind::Configuration) {
      auto configuration = decode_configuration(entry.payload);
      CHECK(configuration.ok(), "entry {}: {}", entry.index.value(), configuration.error().message);
      history_.append(entry.index, std::move(configuration).value());
    }
    log_.append(std::move(entry));
  }
  CHECK(hard_state_.term >= log_.last().term, "term {} with an entry of term {}", hard_state_.term.value(),
        log_.last().term.value());
  const RecoveredTables& tables = recovered.tables;
  applied_ = handed_ = flushed_ = tables.applied;
  bool damaged = recovered.log.damaged;
  // A crash between the installation of a snapshot and the reset of the log.
  const bool reset_missed = tables.snapshot && tables.snapshot->position.index > log_.base().index &&
                            !log_.holds(tables.snapshot->position);
  if (reset_missed) {
    adopt_base(*tables.snapshot);
    applied_ = handed_ = flushed_ = tables.applied;
    // The snapshot may have become durable before the term in which it came; no vote of that term left this server.
    if (tables.snapshot->position.term > hard_state_.term) set_term(tables.snapshot->position.term, kNoServer);
  } else if (applied_ < log_.base().index) {
    // The tables are gone: only a snapshot helps, and a log behind a base that nobody has is no log.
    damaged = true;
    log_.reset({});
    history_.reset({});
    outbox_.reset({});
  }
  // What was applied was durable in the log: if it is not there, the disk lost it.
  damaged = damaged || applied_ > log_.last().index;
  if (damaged) {
    damage_nonce_ = rng_.next() | 1;
    if (!recovered.log.damaged) outbox_.mark_damage();
  }
  // Damage may have taken a truncation away and left what it cut off: nothing of such a log is known to be committed.
  const bool trusted = !damaged || MESH_MUTANT(DamagedLogTrusted);
  commit_ = trusted ? std::max(log_.base().index, std::min(applied_, log_.last().index)) : log_.base().index;
}

RoleChange Node::view() const {
  const Term term = hard_state_.term;
  if (const auto* follower = std::get_if<FollowerState>(&role_)) return {Role::Follower, term, follower->leader};
  if (std::holds_alternative<PreCandidateState>(role_)) return {Role::PreCandidate, term, kNoServer};
  if (std::holds_alternative<CandidateState>(role_)) return {Role::Candidate, term, kNoServer};
  return {Role::Leader, term, self_};
}

Actions Node::step(MonoTime now, Event event) {
  CHECK(!stepping_, "step called from inside a step");
  stepping_ = true;
  now_ = std::max(now_, now);
  const RoleChange before = view();
  std::visit([this](auto&& e) { on(std::move(e)); }, std::move(event));
  check_timers();
  settle();
  const RoleChange after = view();
  if (after.leader != before.leader) refuse_forwarded_reads();
  if (after != before) actions_.role = after;
  stepping_ = false;
  return std::exchange(actions_, {});
}

void Node::check_timers() {
  expire_forwarded_reads();
  if (LeaderState* leader = leading()) {
    if (!alone() && now_ >= quorum_heard() + options_.election_timeout) {
      become_follower(hard_state_.term, kNoServer);
      return;
    }
    if (leader->hand_over && now_ >= leader->hand_over->deadline)
      end_hand_over(error(Code::Timeout, "the other server did not take over"));
    if (!leader->followers.empty() && now_ >= leader->heartbeat_at) begin_round();
    check_snapshot_timers();
    return;
  }
  if (now_ < election_at_) return;
  // So late means that this process stood still, not the leader: what the leader sent meanwhile is heard first.
  const bool stood_still = now_ - election_at_ >= options_.election_timeout && !alone();
  arm_election_timer();
  if (stood_still) return;
  if (may_campaign()) {
    campaign();
  } else {
    role_ = FollowerState{};
  }
}

MonoTime Node::next_deadline() const {
  MonoTime at = forwarded_reads_.empty() ? kNever : forwarded_reads_.begin()->second.deadline;
  const LeaderState* leader = leading();
  if (leader == nullptr) return std::min(at, election_at_);
  if (!alone()) at = std::min(at, quorum_heard() + options_.election_timeout);
  if (leader->hand_over) at = std::min(at, leader->hand_over->deadline);
  if (!leader->followers.empty()) at = std::min(at, leader->heartbeat_at);
  for (const auto& [id, progress] : leader->followers)
    if (const Sending* sending = progress.sending()) at = std::min(at, sending->retry_at);
  return at;
}

void Node::settle() {
  if (leading() != nullptr) advance_commit();
  if (leading() != nullptr) {
    admit_early_reads();
    begin_read_round();
    confirm_reads();
    replicate();
    pursue_hand_over();
  }
  install_when_whole();
  hand_out_entries();
  deliver_applied_reads();
  finish_repair();
  compact();
  if (auto batch = outbox_.take_batch()) actions_.persist = std::move(batch);
}

// Only what is committed and on this disk, so that the tables never run ahead of the log.
void Node::hand_out_entries() {
  if (receiver_.whole()) return;
  const Index end = MESH_MUTANT(AppliedBeforeDurable) ? commit_ : std::min(commit_, outbox_.durable());
  while (handed_ < end) {
    const std::uint64_t out = log_.bytes_between(applied_, handed_);
    if (out >= options_.apply_bytes_max.value()) return;
    for (Entry& entry : log_.slice(handed_ + 1, end + 1, ByteCount(options_.apply_bytes_max.value() - out))) {
      handed_ = entry.index;
      actions_.apply.push_back(std::move(entry));
    }
  }
}

void Node::on(Receive event) {
  const Message& message = event.message;
  if (!CONTAIN(message.to == self_ && message.from != self_ && message.from != kNoServer,
               "raft message from {} to {} arrived at {}", message.from.value(), message.to.value(), self_.value()))
    return;
  if (!settle_terms(message)) return;
  std::visit([&](const auto& body) { handle(message, body); }, message.body);
}

// Thesis 3.3: a newer term turns everyone into a follower, an older one is answered with the newer. True if the
// message is to be handled. Votes decide by themselves: asking for one must not disturb.
bool Node::settle_terms(const Message& message) {
  const auto* vote = std::get_if<VoteResponse>(&message.body);
  if (std::holds_alternative<VoteRequest>(message.body) || (vote != nullptr && vote->pre && vote->granted)) return true;
  const bool from_leader = std::holds_alternative<AppendRequest>(message.body) ||
                           std::holds_alternative<Heartbeat>(message.body) ||
                           std::holds_alternative<SnapshotChunk>(message.body);
  if (message.term > hard_state_.term) {
    become_follower(message.term, from_leader ? message.from : kNoServer);
  } else if (message.term < hard_state_.term) {
    // The old leader learns the term; without that a server with a higher term could never come back (R6).
    if (from_leader) send(message.from, HeartbeatResponse{.round = 0, .repair_nonce = damage_nonce_});
    return false;
  }
  return true;
}

void Node::on(Persisted event) {
  for (Message& message : outbox_.persisted(event.proof.number())) actions_.messages.push_back(std::move(message));
  if (damage_clearing_ && outbox_.damage_cleared()) {
    damage_nonce_ = 0;
    damage_clearing_ = false;
  }
  count_own_vote();
}

void Node::on(Applied event) {
  CHECK(event.through >= applied_ && event.through <= handed_, "applied {} after {}, handed out through {}",
        event.through.value(), applied_.value(), handed_.value());
  applied_ = event.through;
}

void Node::on(StorageFull event) { storage_full_ = event.full; }

void Node::send_in(Term term, ServerId to, MessageBody body) {
  actions_.messages.push_back({self_, to, term, std::move(body)});
}

void Node::send_when_durable(ServerId to, MessageBody body) {
  if (auto message = outbox_.hold({self_, to, hard_state_.term, std::move(body)}))
    actions_.messages.push_back(std::move(*message));
}

void Node::set_term(Term term, ServerId vote) {
  CHECK(term >= hard_state_.term);
  if (term > hard_state_.term) {
    matched_ = Index{};
    repair_through_.reset();
  }
  hard_state_ = {term, vote};
  outbox_.set_hard_state(MESH_MUTANT(VoteNotPersisted) && vote != self_ ? HardState{term, kNoServer} : hard_state_);
}

void Node::append_to_log(Entry entry) {
  if (entry.kind == EntryKind::Configuration) {
    auto configuration = decode_configuration(entry.payload);
    CHECK(configuration.ok(), "entry {}: {}", entry.index.value(), configuration.error().message);
    history_.append(entry.index, std::move(configuration).value());
  }
  outbox_.append(entry);
  log_.append(std::move(entry));
  if (leading() != nullptr) sync_followers();
}

void Node::become_follower(Term term, ServerId leader) {
  if (leading() != nullptr) leave_leadership();
  if (term > hard_state_.term) set_term(term, kNoServer);
  role_ = FollowerState{leader};
  arm_election_timer();
}

void Node::leave_leadership() {
  end_hand_over({});
  refuse_reads("leadership was lost");
  for (auto& [id, progress] : leading()->followers) close_snapshot(progress);
}

void Node::arm_election_timer() {
  const Duration timeout = options_.election_timeout;
  election_at_ = now_ + rng_.between(timeout, timeout * 2 - Duration(1));
}

std::vector<FollowerView> Node::followers() const {
  std::vector<FollowerView> views;
  if (leading() == nullptr) return views;
  for (const auto& [id, progress] : leading()->followers) {
    const auto state = progress.probing()       ? FollowerView::State::Probe
                       : progress.replicating() ? FollowerView::State::Replicate
                                                : FollowerView::State::Snapshot;
    views.push_back({.id = id,
                     .voter = configuration().is_voter(id),
                     .state = state,
                     .match = progress.match(),
                     .next = progress.next(),
                     .heard = progress.heard(),
                     .damaged = progress.repair().nonce != 0});
  }
  return views;
}

}  // namespace mesh::raft
