#include "gossip/core.h"

#include <utility>

#include "gossip/node.h"

namespace mesh::gossip {

Core::Core(const CoreOptions& options, Identity self, std::shared_ptr<const Seal> seal, Rng rng, MonoTime now)
    : node_(std::make_unique<Node>(options, std::move(self), std::move(seal), rng, now)) {}
Core::~Core() = default;

Actions Core::step(MonoTime now, Event event) { return node_->step(now, std::move(event)); }
MonoTime Core::next_deadline() const { return node_->next_deadline(); }
MemberView Core::self() const { return node_->self(); }
std::vector<MemberView> Core::members() const { return node_->members(); }
std::optional<MemberView> Core::find(const NodeId& id) const { return node_->find(id); }
Counts Core::counts() const { return node_->counts(); }
const std::shared_ptr<const Seal>& Core::seal() const { return node_->seal(); }
void Core::check_invariants() const { node_->check_invariants(); }

Status CoreOptions::validate() const {
  const auto positive = {
      std::pair{probe_interval, "probe_interval"}, {direct_timeout, "direct_timeout"},
      {probe_timeout, "probe_timeout"}, {suspicion_min, "suspicion_min"}, {refused_grace, "refused_grace"},
      {lag_tolerance, "lag_tolerance"}, {gossip_interval, "gossip_interval"},
      {exchange_interval, "exchange_interval"}, {stream_deadline, "stream_deadline"},
      {reconnect_interval, "reconnect_interval"}, {forget_after, "forget_after"}, {leave_time, "leave_time"}};
  for (const auto& [time, name] : positive) {
    if (time <= Duration(0)) return error(Code::Invalid, "gossip: {} must be positive", name);
  }
  if (direct_timeout >= probe_timeout || probe_timeout > probe_interval)
    return error(Code::Invalid, "gossip: direct_timeout < probe_timeout <= probe_interval must hold");
  if (suspicion_max_factor == 0) return error(Code::Invalid, "gossip: suspicion_max_factor must be at least 1");
  if (gossip_members == 0 || retransmit_base + retransmit_factor == 0)
    return error(Code::Invalid, "gossip: gossip_members and the retransmissions must be at least 1");
  if (members_max == 0 || probes_max == 0 || streams_max == 0)
    return error(Code::Invalid, "gossip: members_max, probes_max and streams_max must be at least 1");
  return {};
}

}  // namespace mesh::gossip
