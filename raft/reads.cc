// Linearizable reads (ReadIndex), their forwarding by followers, and the leader's lease.
#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/mutant.h"
#include "raft/node.h"

namespace mesh::raft {

void Node::on(Read event) {
  const auto refuse = [&](Code code, const char* why) {
    actions_.reads.push_back({event.id, Error{code, why}});
  };
  if (reads_waiting() >= options_.reads_waiting_max) return refuse(Code::Overloaded, "too many reads are waiting");
  if (leading() != nullptr) return enqueue_read({kNoServer, event.id.value()});
  const ServerId leader = view().leader;
  if (leader == kNoServer) return refuse(Code::Unavailable, "no leader is known");
  const std::uint64_t id = next_read_id_++;
  forwarded_reads_.emplace(id, ForwardedRead{event.id, now_ + options_.retry_interval});
  send(leader, ReadRequest{id});
}

void Node::handle(const Message& message, const ReadRequest& request) {
  if (leading() == nullptr || !configuration().contains(message.from)) return;
  if (reads_waiting() < options_.reads_waiting_max) enqueue_read({message.from, request.id});
}

void Node::handle(const Message&, const ReadResponse& response) {
  const auto found = forwarded_reads_.find(response.id);
  if (found == forwarded_reads_.end()) return;
  apply_waiters_.add(response.index, found->second.request);
  forwarded_reads_.erase(found);
}

bool Node::own_term_committed() const { return leading() != nullptr && commit_ >= leading()->term_start; }

// Before an entry of its term is committed a leader does not know how far its predecessor committed (thesis 6.4).
void Node::enqueue_read(ReadSource source) {
  LeaderState& leader = *leading();
  if (own_term_committed() || MESH_MUTANT(ReadBeforeOwnTerm)) {
    leader.reads.add(source, commit_, leader.round + (MESH_MUTANT(ReadRoundReused) ? 0 : 1));
  } else {
    leader.early_reads.push_back(source);
  }
}

void Node::admit_early_reads() {
  if (!own_term_committed()) return;
  for (const ReadSource& source : std::exchange(leading()->early_reads, {})) enqueue_read(source);
}

// One round at a time for reads: those that arrive meanwhile share the next.
void Node::begin_read_round() {
  const LeaderState& leader = *leading();
  if (leader.reads.round_needed() <= leader.round) return;
  std::vector<std::uint64_t> answered;
  for (const ServerId id : configuration().voters)
    answered.push_back(id == self_ ? leader.round : leader.followers.at(id).round());
  if (quorum_value(std::move(answered)) == leader.round) begin_round();
}

void Node::confirm_reads() {
  LeaderState& leader = *leading();
  if (leader.reads.size() == 0) return;
  std::vector<std::uint64_t> answered;
  for (const ServerId id : configuration().voters)
    answered.push_back(id == self_ ? leader.round : leader.followers.at(id).round());
  for (const ConfirmedRead& read : leader.reads.confirm(MESH_MUTANT(ReadWithoutQuorum) ? leader.round : quorum_value(std::move(answered)))) deliver_read(read);
}

void Node::deliver_read(const ConfirmedRead& read) {
  if (read.source.follower == kNoServer) {
    apply_waiters_.add(read.index, RequestId(read.source.id));
  } else {
    send(read.source.follower, ReadResponse{read.source.id, read.index});
  }
}

void Node::deliver_applied_reads() {
  for (const auto& [index, id] : apply_waiters_.take_through(MESH_MUTANT(ReadNotAwaitingApply) ? commit_ : applied_)) actions_.reads.push_back({id, index});
}

// Those of other servers run into their own time limit.
void Node::refuse_reads(const char* why) {
  LeaderState& leader = *leading();
  const auto refuse = [&](const ReadSource& source) {
    if (source.follower == kNoServer)
      actions_.reads.push_back({RequestId(source.id), error(Code::Unavailable, "{}", why)});
  };
  for (const ConfirmedRead& read : leader.reads.take_all()) refuse(read.source);
  for (const ReadSource& source : std::exchange(leader.early_reads, {})) refuse(source);
}

void Node::refuse_forwarded_reads() {
  for (const auto& [id, read] : std::exchange(forwarded_reads_, {}))
    actions_.reads.push_back({read.request, error(Code::Unavailable, "the leader changed")});
}

void Node::expire_forwarded_reads() {
  while (!forwarded_reads_.empty() && now_ >= forwarded_reads_.begin()->second.deadline) {
    actions_.reads.push_back(
        {forwarded_reads_.begin()->second.request, error(Code::Unavailable, "the leader did not answer")});
    forwarded_reads_.erase(forwarded_reads_.begin());
  }
}

std::size_t Node::reads_waiting() const {
  const LeaderState* leader = leading();
  return forwarded_reads_.size() + apply_waiters_.size() +
         (leader == nullptr ? 0 : leader->reads.size() + leader->early_reads.size());
}

// A voter that answered a round refuses votes for an election timeout after it, so nobody else can lead before that
// has passed at a quorum; counted from when the round was sent, on this server's monotonic clock. A pause of this
// process uses the lease up by itself. A follower may have served what is committed here and not yet applied.
bool Node::lease_valid(MonoTime now) const {
  const LeaderState* leader = leading();
  if (leader == nullptr || (leader->lease_void && !MESH_MUTANT(LeaseKeptInTransfer)) || applied_ < (MESH_MUTANT(LeaseBehindCommit) ? leader->term_start : std::max(leader->term_start, commit_))) return false;
  std::vector<MonoTime> since;
  for (const ServerId id : configuration().voters)
    since.push_back(id == self_ ? now : leader->followers.at(id).lease_from());
  const MonoTime from = quorum_value(std::move(since));
  return from != MonoTime::min() && now < from + (MESH_MUTANT(LeaseTooLong) ? options_.election_timeout * 2 : options_.election_timeout - options_.lease_margin);
}

}  // namespace mesh::raft
