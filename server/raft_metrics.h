// What the transport of Raft messages counts. Thread: the raft loop.
#pragma once

#include <array>

#include "base/metrics.h"
#include "server/raft_stream.h"

namespace mesh::server {

struct RaftMetrics {
  // A null registry counts nowhere.
  explicit RaftMetrics(MetricRegistry* registry);

  std::array<Counter, kRaftLanes> sent;       // by lane
  std::array<Counter, kRaftLanes> received;
  std::array<Counter, kRaftLanes> unsent;     // lost: no connection to the peer
  std::array<Counter, kRaftLanes> overflown;  // lost: the peer is too slow
  Counter unknown_peer;                       // lost: nobody knows where the server is
  CounterFamily refused;                      // {reason}: received and not believed
  GaugeFamily connected;                      // {peer, lane}: 1 while messages can be sent
};

[[nodiscard]] constexpr std::size_t index_of(RaftLane lane) { return static_cast<std::size_t>(lane); }

}  // namespace mesh::server
