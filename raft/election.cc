// Elections: pre-vote (thesis 9.6), votes (3.4), and the refusal of votes while a leader is heard (4.2.3).
#include <utility>

#include "base/check.h"
#include "base/mutant.h"
#include "raft/node.h"

namespace mesh::raft {

// Thesis 4.2.2: until its removal is committed a server must still start elections, because it may be the only one
// whose log those who stay cannot outdo.
bool Node::leaves_uncommitted() const {
  const Index latest = history_.latest().index;
  return latest > commit_ && history_.at(latest - 1).configuration.is_voter(self_);
}

bool Node::may_campaign() const {
  const bool member = is_voter() || (leaves_uncommitted() && !MESH_MUTANT(RemovedNeverCampaigns));
  return member && !damaged() && !storage_full_ && !receiver_.installing();
}

bool Node::hears_leader() const {
  if (MESH_MUTANT(VoteWhileLeaderHeard)) return false;
  return leading() != nullptr || now_ - leader_heard_ < options_.election_timeout;
}

void Node::campaign() {
  if (alone()) {
    begin_election(false);
    return;
  }
  role_ = PreCandidateState{};
  std::get<PreCandidateState>(role_).tally.record(self_, true);
  for (const ServerId id : configuration().voters)
    if (id != self_)
      send_in(hard_state_.term + 1, id, VoteRequest{.pre = true, .transfer = false, .last = log_.last()});
}

// The requests leave when the new term and the own vote are durable; only then does the own vote count.
void Node::begin_election(bool transfer) {
  discard_snapshot();
  set_term(hard_state_.term + 1, self_);
  role_ = CandidateState{};
  arm_election_timer();
  for (const ServerId id : configuration().voters)
    if (id != self_) send_when_durable(id, VoteRequest{.pre = false, .transfer = transfer, .last = log_.last()});
}

void Node::count_own_vote() {
  auto* candidate = std::get_if<CandidateState>(&role_);
  if (candidate == nullptr || outbox_.durable_hard_state() != hard_state_) return;
  candidate->tally.record(self_, true);
  count_votes();
}

void Node::count_votes() {
  if (configuration().voters.empty()) return;
  if (const auto* asking = std::get_if<PreCandidateState>(&role_)) {
    const VoteResult result = asking->tally.result(configuration());
    if (result == VoteResult::Won) begin_election(false);
    if (result == VoteResult::Lost) become_follower(hard_state_.term, kNoServer);
  } else if (const auto* candidate = std::get_if<CandidateState>(&role_)) {
    const VoteResult result = candidate->tally.result(configuration());
    if (result == VoteResult::Won) become_leader();
    if (result == VoteResult::Lost) become_follower(hard_state_.term, kNoServer);
  }
}

void Node::become_leader() {
  CHECK(outbox_.durable_hard_state() == hard_state_ && hard_state_.vote == self_);
  role_ = LeaderState{};
  LeaderState& leader = *leading();
  leader.term_start = log_.last().index + 1;
  leader.heartbeat_at = now_;
  sync_followers();
  append_to_log({leader.term_start, hard_state_.term, EntryKind::Noop, {}});
}

void Node::handle(const Message& message, const VoteRequest& request) {
  if (request.pre) {
    answer_pre_vote(message, request);
    return;
  }
  if (message.term > hard_state_.term) {
    // A server that hears its leader neither votes nor moves on to the new term: whoever asks is cut off or removed.
    if (!request.transfer && hears_leader()) return;
    become_follower(message.term, kNoServer);
  }
  const bool current = message.term == hard_state_.term;
  const bool free = MESH_MUTANT(VoteGivenTwice) || hard_state_.vote == kNoServer || hard_state_.vote == message.from;
  const bool whole = !damaged() || MESH_MUTANT(DamagedVotes);
  if (!current || !free || !whole || !log_.outdone_by(request.last)) {
    send(message.from, VoteResponse{.pre = false, .granted = false, .asked = message.term});
    return;
  }
  if (hard_state_.vote == kNoServer) set_term(hard_state_.term, message.from);
  arm_election_timer();
  send_when_durable(message.from, VoteResponse{.pre = false, .granted = true, .asked = message.term});
}

// Promises nothing and changes nothing. A refusal carries the own term, from which a server that is behind learns.
void Node::answer_pre_vote(const Message& message, const VoteRequest& request) {
  const bool whole = !damaged() || MESH_MUTANT(DamagedVotes);
  const bool granted =
      message.term > hard_state_.term && !hears_leader() && whole && log_.outdone_by(request.last);
  send_in(granted ? message.term : hard_state_.term, message.from,
          VoteResponse{.pre = true, .granted = granted, .asked = message.term});
}

// A slow disk sends the request of a past election together with that of the next; the refusal of the first, by a voter that
// has moved on, carries the term of the second and must not count there.
void Node::handle(const Message& message, const VoteResponse& response) {
  if (response.pre) {
    auto* asking = std::get_if<PreCandidateState>(&role_);
    if (asking == nullptr || response.asked != hard_state_.term + 1) return;
    asking->tally.record(message.from, response.granted);
  } else {
    auto* candidate = std::get_if<CandidateState>(&role_);
    if (candidate == nullptr || response.asked != hard_state_.term) return;
    candidate->tally.record(message.from, response.granted);
  }
  count_votes();
}

void Node::handle(const Message& message, const TimeoutNow&) {
  const auto* follower = std::get_if<FollowerState>(&role_);
  if (follower == nullptr || !may_campaign()) return;
  if (follower->leader != kNoServer && follower->leader != message.from) return;
  begin_election(true);
}

}  // namespace mesh::raft
