// The data plane's metrics and what a connection needs of them. Labels hold authenticated names only: a connection whose
// caller is not known (yet) counts with empty ones. For all ends of a direction: accepted = closed + open.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>

#include "base/metrics.h"
#include "base/time.h"
#include "model/reason_code.h"

namespace mesh::proxy {

enum class Direction : std::uint8_t { Outbound, Inbound };
[[nodiscard]] std::string_view direction_name(Direction direction);

inline constexpr std::size_t kPairSeriesMax = 2'000;     // per family, over all reasons
inline constexpr std::size_t kPairHandlesMax = 4'096;    // remembered per worker; more: looked up anew

struct ProxyMetrics {
  explicit ProxyMetrics(MetricRegistry& registry);

  CounterFamily accepted;            // direction
  GaugeFamily open;                  // direction
  CounterFamily closed;              // direction, source, destination, reason
  CounterFamily sent_bytes;          // direction, source, destination: towards the destination
  CounterFamily received_bytes;      // direction, source, destination: towards the source
  CounterFamily handshake_failures;  // direction, reason
  CounterFamily attempt_failures;    // destination, reason
  HistogramFamily setup_seconds;     // direction: from accept to relay
  Gauge binds_failed;                // listeners of upstreams that could not be opened
};

// Handles for one direction and pair of names.
struct PairHandles {
  Counter sent_bytes;
  Counter received_bytes;
};

// A worker's handles, so that a connection costs no lock but for its first of a kind. Worker loop only.
class WorkerMetrics {
 public:
  explicit WorkerMetrics(ProxyMetrics& metrics);

  void accepted(Direction direction) const;
  void closed(Direction direction, const std::string& source, const std::string& destination,
              model::ReasonCode reason);
  void attempt_failed(const std::string& destination, model::ReasonCode reason) const;
  void handshake_failed(Direction direction, model::ReasonCode reason) const;
  void set_up(Direction direction, Duration took) const;
  [[nodiscard]] PairHandles pair(Direction direction, const std::string& source, const std::string& destination);
  [[nodiscard]] const ProxyMetrics& families() const { return metrics_; }

 private:
  struct Side {
    Counter accepted;
    Gauge open;
    Histogram setup;
  };
  [[nodiscard]] const Side& side(Direction direction) const { return sides_[static_cast<std::size_t>(direction)]; }

  ProxyMetrics& metrics_;
  Side sides_[2];
  std::unordered_map<std::string, PairHandles> pairs_;
  std::unordered_map<std::string, Counter> closed_;
};

}  // namespace mesh::proxy
