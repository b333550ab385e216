// What one side of the HTTP/2 RPC transport counts, at /metrics as meshd_rpc_client_* and meshd_rpc_server_*. The methods
// that appear as labels are our own constants: a path that no handler serves counts as "unknown". Thread: its loop; several
// loops may each have one over the same registry.
#pragma once

#include <array>
#include <map>
#include <string>
#include <string_view>

#include "base/metrics.h"
#include "base/result.h"
#include "base/time.h"

namespace mesh::net {

class RpcMetrics {
 public:
  // side: "client" or "server". A null registry counts nowhere.
  RpcMetrics(MetricRegistry* registry, std::string_view side);

  // A call or stream has ended.
  void ended(std::string_view method, const Status& status, Duration took);
  void refused(std::string_view reason);  // a connection; reason: one of our words

  Gauge connections;
  Counter received_bytes;
  Counter sent_bytes;

 private:
  struct Method {
    std::array<Counter, static_cast<std::size_t>(Code::Internal) + 1> by_code;  // 0: ok
    std::array<bool, static_cast<std::size_t>(Code::Internal) + 1> made{};
    Histogram time;
  };
  CounterFamily calls_;
  CounterFamily refused_;
  HistogramFamily time_;
  std::map<std::string, Method, std::less<>> methods_;
};

}  // namespace mesh::net
