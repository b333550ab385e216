// Cutting the log behind flushed state: by bytes, with a tail for slow followers.
#include <algorithm>

#include "base/check.h"
#include "raft/node.h"

namespace mesh::raft {

void Node::on(StateFlushed event) {
  CHECK(event.through <= handed_, "flushed {}, handed out {}", event.through.value(), handed_.value());
  flushed_ = std::max(flushed_, event.through);
}

void Node::compact() {
  const Index in_use = std::min({applied_, commit_, outbox_.durable()});
  log_.release(in_use, options_.memory_bytes_max);
  if (log_.bytes() < compact_at_bytes_) return;
  const Index through = std::min(compaction_limit(), log_.index_before_tail(options_.compact_tail_bytes));
  if (through <= log_.base().index) return;
  const auto& in_force = history_.at(through);
  outbox_.compact({{through, log_.term_at(through)}, in_force.configuration, in_force.index});
  log_.compact(through);
  history_.compact(through);
}

// A snapshot under way holds the log behind it, up to log_bytes_max: without it the follower would need another one.
Index Node::compaction_limit() const {
  Index limit = std::min({flushed_, applied_, commit_, outbox_.durable()});
  if (leading() == nullptr || log_.bytes() >= options_.log_bytes_max.value()) return limit;
  for (const auto& [id, progress] : leading()->followers) {
    const Sending* sending = progress.sending();
    if (sending == nullptr || sending->phase == Sending::Phase::Pausing) continue;
    limit = std::min(limit, sending->phase == Sending::Phase::Opening ? log_.base().index : sending->base.position.index);
  }
  return limit;
}

}  // namespace mesh::raft
