#include "agent/proxy/candidates.h"

#include <algorithm>

namespace mesh::proxy {

namespace {

std::string key_of(const MeshEndpoint& endpoint) {
  std::string key = endpoint.node_id.text();
  key += '\0';
  key += endpoint.instance_id;
  return key;
}

// Multiples of the golden ratio fall evenly into [0, 1): turns in a row spread over the weights instead of clustering.
std::size_t weighted_start(const std::vector<MeshEndpoint>& endpoints, const std::vector<std::uint32_t>& healthy,
                           std::uint64_t turn, std::uint64_t weights) {
  const std::uint64_t fraction = (turn * 0x9e3779b97f4a7c15U) >> 32;
  std::uint64_t position = (fraction * std::min(weights, std::uint64_t{0xffffffff})) >> 32;
  for (std::size_t n = 0; n < healthy.size(); ++n) {
    const std::uint64_t weight = endpoints[healthy[n]].weight;
    if (position < weight) return n;
    position -= weight;
  }
  return 0;
}

std::size_t start_of(const std::vector<MeshEndpoint>& endpoints, const std::vector<std::uint32_t>& healthy,
                     std::uint64_t turn) {
  std::uint64_t weights = 0;
  bool equal = true;
  for (const std::uint32_t at : healthy) {
    weights += endpoints[at].weight;
    equal = equal && endpoints[at].weight == endpoints[healthy.front()].weight;
  }
  return equal ? turn % healthy.size() : weighted_start(endpoints, healthy, turn, weights);
}

}  // namespace

void FailureMemory::remember(const MeshEndpoint& endpoint, MonoTime now, Duration how_long) {
  if (until_.size() >= kFailuresRememberedMax) until_.clear();
  until_[key_of(endpoint)] = now + how_long;
}

void FailureMemory::forget(const MeshEndpoint& endpoint) {
  if (!until_.empty()) until_.erase(key_of(endpoint));
}

bool FailureMemory::recent(const MeshEndpoint& endpoint, MonoTime now) const {
  if (until_.empty()) return false;
  const auto found = until_.find(key_of(endpoint));
  return found != until_.end() && now < found->second;
}

std::vector<std::uint32_t> candidates(const std::vector<MeshEndpoint>& endpoints, const FailureMemory& failures,
                                      const CandidateQuestion& question) {
  std::vector<std::uint32_t> order;
  for (std::uint32_t n = 0; n < endpoints.size(); ++n)
    if (endpoints[n].healthy && endpoints[n].weight != 0) order.push_back(n);
  if (order.empty()) return order;
  const auto start = static_cast<std::ptrdiff_t>(start_of(endpoints, order, question.turn));
  std::rotate(order.begin(), order.begin() + start, order.end());
  std::stable_partition(order.begin(), order.end(),
                        [&](std::uint32_t at) { return !failures.recent(endpoints[at], question.now); });
  if (order.size() > question.count_max) order.resize(question.count_max);
  return order;
}

}  // namespace mesh::proxy
