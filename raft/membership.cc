// Configuration changes (thesis 4.1, with the correction of 2015: an entry of the own term first) and the transfer of
// leadership (3.10).
#include <utility>

#include "base/check.h"
#include "base/mutant.h"
#include "raft/node.h"

namespace mesh::raft {

void Node::on(ChangeMembership event) {
  if (Status allowed = may_change(event.change); !allowed.ok()) return finish(event.id, std::move(allowed).error());
  auto changed = apply_change(configuration(), event.change);
  if (!changed.ok()) return finish(event.id, std::move(changed).error());
  append_to_log({log_.last().index + 1, hard_state_.term, EntryKind::Configuration, encode_configuration(*changed)});
  finish(event.id, log_.last());
}

Status Node::may_change(const MembershipChange& change) const {
  const LeaderState* leader = leading();
  if (leader == nullptr) return error(Code::Unavailable, "this server does not lead");
  if (leader->hand_over) return error(Code::Unavailable, "leadership is being handed over");
  if (storage_full_) return error(Code::Io, "no space on the leader's disk: make room there and write again");
  // Without this two leaders of different terms could change the same configuration into two with disjoint majorities.
  if (!own_term_committed() && !MESH_MUTANT(ChangeBeforeOwnTerm)) return error(Code::Precondition, "nothing of this term is committed yet");
  if (!configuration_committed() && !MESH_MUTANT(ChangeBeforeLastCommitted))
    return error(Code::Precondition, "the change before is not committed yet");
  if (change.kind != MembershipChange::Kind::Promote) return {};
  const auto found = leader->followers.find(change.server);
  if (found == leader->followers.end()) return {};  // apply_change says what is wrong
  const std::uint64_t lag = log_.last().index - found->second.counted_match();
  if (lag > options_.promote_lag_max)
    return error(Code::Precondition, "server {} lacks {} entries", change.server.value(), lag);
  return {};
}

// A leader that is no voter any more leaves when that is committed (thesis 4.2.2), and names a successor.
void Node::leave_if_removed() {
  if (is_voter() || !configuration_committed() || MESH_MUTANT(RemovedLeaderStays)) return;
  for (auto& [id, progress] : leading()->followers) send_heartbeat(id, progress);
  if (const auto successor = transfer_target(kNoServer); successor.ok()) send(*successor, TimeoutNow{});
  become_follower(hard_state_.term, kNoServer);
}

void Node::on(Transfer event) {
  if (leading() == nullptr) return finish(event.id, error(Code::Unavailable, "this server does not lead"));
  if (Status begun = begin_hand_over(event.id, event.target); !begun.ok())
    finish(event.id, std::move(begun).error());
}

// Any of the voters that are close enough to take over within an election timeout, or the one that is wanted.
Result<ServerId> Node::transfer_target(ServerId wanted) const {
  if (wanted != kNoServer && !configuration().is_voter(wanted))
    return error(Code::Invalid, "server {} is no voter", wanted.value());
  if (wanted == self_) return error(Code::Invalid, "server {} leads already", wanted.value());
  ServerId best;
  Index best_match;
  for (const auto& [id, progress] : leading()->followers) {
    const bool close = progress.replicating() && progress.repair().nonce == 0 &&
                       log_.last().index - progress.match() <= options_.transfer_lag_max &&
                       now_ - progress.heard() < options_.election_timeout;
    if (!close || !configuration().is_voter(id) || (wanted != kNoServer && id != wanted)) continue;
    if (best != kNoServer && progress.match() <= best_match) continue;
    best = id;
    best_match = progress.match();
  }
  if (best == kNoServer) return error(Code::Precondition, "no voter is reachable and close enough to take over");
  return best;
}

Status Node::begin_hand_over(std::optional<RequestId> request, ServerId wanted) {
  LeaderState& leader = *leading();
  if (leader.hand_over) return error(Code::Precondition, "leadership is being handed over already");
  MESH_TRY(target, transfer_target(wanted));
  leader.hand_over = HandOver{request, target, now_ + options_.election_timeout, false};
  leader.lease_void = true;
  return {};
}

// Asks the target to begin its election as soon as it holds the whole log.
void Node::pursue_hand_over() {
  LeaderState& leader = *leading();
  if (storage_full_ && !leader.hand_over && !alone()) (void)begin_hand_over(std::nullopt, kNoServer);
  if (!leader.hand_over || leader.hand_over->asked) return;
  const auto target = leader.followers.find(leader.hand_over->target);
  if (target == leader.followers.end() || !configuration().is_voter(target->first))
    return end_hand_over(error(Code::Precondition, "the other server is no voter any more"));
  if (target->second.match() < log_.last().index) return;
  leader.hand_over->asked = true;
  send(target->first, TimeoutNow{});
}

void Node::end_hand_over(Status why) {
  LeaderState& leader = *leading();
  if (!leader.hand_over) return;
  const auto request = leader.hand_over->request;
  leader.hand_over.reset();
  if (!request) return;
  if (why.ok()) {
    finish(*request, log_.last());
  } else {
    finish(*request, std::move(why).error());
  }
}

}  // namespace mesh::raft
