#include "net/rpc_metrics.h"

namespace mesh::net {

RpcMetrics::RpcMetrics(MetricRegistry* registry, std::string_view side) {
  if (registry == nullptr) return;
  const auto name = [side](std::string_view what) { return fmt::format("meshd_rpc_{}_{}", side, what); };
  connections = registry->gauge({name("connections"), "RPC connections over HTTP/2 that are open"});
  received_bytes = registry->counter({name("received_bytes_total"), "Bytes received on RPC connections, TLS apart"});
  sent_bytes = registry->counter({name("sent_bytes_total"), "Bytes sent on RPC connections, TLS apart"});
  calls_ = registry->counters({name("calls_total"), "RPC calls and streams that have ended", {"method", "code"}});
  refused_ = registry->counters({name("refused_total"), "RPC connections that were refused or failed to be made", {"reason"}});
  time_ = registry->histograms({name("call_seconds"), "From the start of an RPC call or stream to its end", {"method"}},
                               HistogramScale::latency());
}

void RpcMetrics::ended(std::string_view method, const Status& status, Duration took) {
  auto found = methods_.find(method);
  if (found == methods_.end()) {
    found = methods_.emplace(std::string(method), Method{}).first;
    found->second.time = time_.with({method});
  }
  Method& counts = found->second;
  const std::size_t slot = status.ok() ? 0 : static_cast<std::size_t>(status.error().code);
  if (!std::exchange(counts.made[slot], true))
    counts.by_code[slot] = calls_.with({method, status.ok() ? "ok" : code_name(status.error().code)});
  counts.by_code[slot].add();
  counts.time.observe(took);
}

void RpcMetrics::refused(std::string_view reason) { refused_.with({reason}).add(); }

}  // namespace mesh::net
