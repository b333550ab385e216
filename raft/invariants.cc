// What must hold between any two steps, as far as one server can see it. The simulator checks the rest: one leader a
// term, equal logs, committed entries for ever.
#include <algorithm>

#include "base/check.h"
#include "raft/node.h"

namespace mesh::raft {

void Node::check_invariants() const {
  const LogPosition base = log_.base();
  const LogPosition last = log_.last();
  CHECK(base.index <= commit_ && commit_ <= last.index, "base {} commit {} last {}", base.index.value(),
        commit_.value(), last.index.value());
  CHECK(last.term <= hard_state_.term);
  CHECK(outbox_.durable() <= last.index && outbox_.durable() >= base.index);
  CHECK(applied_ <= handed_);
  CHECK(flushed_ <= handed_);
  CHECK(damaged() || handed_ <= std::min(commit_, outbox_.durable()), "handed {} commit {} durable {}",
        handed_.value(), commit_.value(), outbox_.durable().value());
  CHECK(damaged() || base.index <= applied_);
  CHECK(log_.memory_first() <= std::min({applied_, commit_, outbox_.durable()}) + 1, "entries in use are not in memory");
  CHECK(history_.latest().index <= last.index);
  CHECK(apply_waiters_.size() + forwarded_reads_.size() <= 2 * options_.reads_waiting_max);
  if (std::holds_alternative<CandidateState>(role_)) CHECK(hard_state_.vote == self_ && !damaged());
  const LeaderState* leader = leading();
  if (leader == nullptr) return;
  CHECK(hard_state_.vote == self_ && outbox_.durable_hard_state() == hard_state_ && !damaged());
  CHECK(!receiver_.active());
  const bool start_compacted = leader->term_start <= base.index;
  CHECK(leader->term_start <= last.index && (start_compacted ? base.term : log_.term_at(leader->term_start)) == hard_state_.term);
  const Configuration& members = configuration();
  CHECK(!members.voters.empty());
  CHECK(leader->followers.size() + (members.contains(self_) ? 1 : 0) == members.voters.size() + members.learners.size());
  for (const auto& [id, progress] : leader->followers) {
    CHECK(members.contains(id) && id != self_);
    CHECK(progress.match() <= last.index && progress.next() <= last.index + 1);
    progress.check_invariants();
  }
}

}  // namespace mesh::raft
