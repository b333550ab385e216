#include <algorithm>
#include <cmath>
#include <utility>

#include "gossip/node.h"

namespace mesh::gossip {

SuspicionTimes Node::suspicion_times() const {
  const double factor = std::max(1.0, std::log10(static_cast<double>(pool_size())));
  const auto min_ms = static_cast<std::int64_t>(static_cast<double>(to_millis(options_.suspicion_min)) * factor);
  // Those who could confirm: neither this member nor the suspect.
  const std::size_t others = pool_size() < 2 ? 0 : pool_size() - 2;
  const auto confirmations = static_cast<std::uint32_t>(std::min<std::size_t>(options_.suspicion_confirmations, others));
  // A member in doubt of itself gives others more time; the probe that led here does not count.
  const milliseconds min(min_ms * std::max(1U, score_.value()));
  return {.min = min, .max = min * options_.suspicion_max_factor, .confirmations = confirmations};
}

// A new suspicion, by this member or by what it was told.
void Node::suspect(Member& member, Incarnation incarnation, const NodeId& accuser) {
  ++counts_.suspicions;
  if (member.state != MemberState::Suspect) member.changed = now_;
  member.state = MemberState::Suspect;
  member.incarnation = incarnation;
  const SuspicionTimes times = suspicion_times();
  const Duration hearsay_delay = rng_.between(Duration(0), times.min);
  suspicions_.insert_or_assign(member.id, Suspicion({incarnation, accuser, now_, hearsay_delay}, times));
  spread(member, accuser);
}

// A probe of this member's own got no answer.
void Node::accuse(Member& member, const Probe& probe) {
  const auto open = suspicions_.find(member.id);
  if (open == suspicions_.end()) {
    suspect(member, member.incarnation, self_.id);
  } else if (open->second.confirm(self_.id)) {
    spread(member, self_.id);
  }
  Suspicion& suspicion = suspicions_.at(member.id);
  suspicion.probe_failed(probe.started);
  const bool stream_ended = probe.reason == Reason::Urgent;
  if (stream_ended || probe.refused) suspicion.confirm(NodeId());  // an independent sign
  if (stream_ended && probe.refused) suspicion.refused(now_ + options_.refused_grace);
}

void Node::check_suspicions() {
  if (life_ != Life::Running) return;
  std::vector<NodeId> due_now;
  for (const auto& [id, suspicion] : suspicions_) {
    if (due(id, suspicion) <= now_) due_now.push_back(id);
  }
  for (const NodeId& id : due_now) check_suspicion(*find_member(id), suspicions_.at(id));
}

// Declares only on the strength of a probe of its own that overlaps the end of the suspicion; else makes one.
void Node::check_suspicion(Member& member, Suspicion& suspicion) {
  if (suspicion.verified(probe_time())) {
    if (now_ < suspicion.deadline()) return;
    ++counts_.failures_declared;
    mark_failed(member, suspicion.incarnation(), self_.id);
  } else {
    start_probe(member, Reason::Verify);
  }
}

MonoTime Node::due(const NodeId& id, const Suspicion& suspicion) const {
  if (probing_.contains(id)) return kNever;  // the end of the probe is looked at
  if (suspicion.verified(probe_time())) return suspicion.deadline();
  const MonoTime begin = suspicion.deadline() - probe_time();
  // Past: there are too many probes at the moment.
  return begin <= now_ && probes_.size() >= options_.probes_max ? now_ + options_.gossip_interval : begin;
}

}  // namespace mesh::gossip
