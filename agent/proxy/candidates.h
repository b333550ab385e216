// Which instances of a service are tried for a connection, and in which order. A core: time is an argument.
//
// Turns go round the healthy instances, by weight where weights differ; what failed a moment ago comes last, so that a
// dead host costs one connection its first attempt, not all of them. One thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

#include "agent/proxy/snapshot.h"
#include "base/time.h"

namespace mesh::proxy {

inline constexpr std::size_t kFailuresRememberedMax = 1024;  // of one worker; more: the memory starts anew

class FailureMemory {
 public:
  void remember(const MeshEndpoint& endpoint, MonoTime now, Duration how_long);
  void forget(const MeshEndpoint& endpoint);  // it has answered
  [[nodiscard]] bool recent(const MeshEndpoint& endpoint, MonoTime now) const;

 private:
  std::unordered_map<std::string, MonoTime> until_;  // by node id, NUL, instance id
};

struct CandidateQuestion {
  std::uint64_t turn = 0;  // one more for each connection to the service
  MonoTime now{};
  std::size_t count_max = 3;
};
// Positions in `endpoints`, the first to try first; empty: none is healthy.
[[nodiscard]] std::vector<std::uint32_t> candidates(const std::vector<MeshEndpoint>& endpoints,
                                                    const FailureMemory& failures, const CandidateQuestion& question);

}  // namespace mesh::proxy
