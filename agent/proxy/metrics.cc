#include "agent/proxy/metrics.h"

namespace mesh::proxy {

namespace {

std::string key_of(Direction direction, std::string_view source, std::string_view destination) {
  std::string key;
  key.reserve(source.size() + destination.size() + 3);
  key += direction == Direction::Outbound ? 'o' : 'i';
  key.append(source);
  key += '\0';
  key.append(destination);
  return key;
}

MetricOptions pairs(std::string name, std::string help, std::vector<std::string> more = {}) {
  std::vector<std::string> labels = {"direction", "source", "destination"};
  labels.insert(labels.end(), more.begin(), more.end());
  return {.name = std::move(name), .help = std::move(help), .labels = std::move(labels), .series_max = kPairSeriesMax};
}

}  // namespace

std::string_view direction_name(Direction direction) {
  return direction == Direction::Outbound ? "outbound" : "inbound";
}

ProxyMetrics::ProxyMetrics(MetricRegistry& registry)
    : accepted(registry.counters({.name = "meshd_proxy_accepted_total",
                                  .help = "Connections accepted by the data plane.",
                                  .labels = {"direction"}})),
      open(registry.gauges({.name = "meshd_proxy_open_connections",
                            .help = "Connections accepted and not yet closed.",
                            .labels = {"direction"}})),
      closed(registry.counters(pairs("meshd_proxy_closed_total", "Connections ended or refused, by reason code.", {"reason"}))),
      sent_bytes(registry.counters(pairs("meshd_proxy_sent_bytes_total", "Bytes from the source to the destination."))),
      received_bytes(
          registry.counters(pairs("meshd_proxy_received_bytes_total", "Bytes from the destination to the source."))),
      handshake_failures(registry.counters({.name = "meshd_proxy_handshake_failures_total",
                                            .help = "TLS connections that did not come about.",
                                            .labels = {"direction", "reason"}})),
      attempt_failures(registry.counters({.name = "meshd_proxy_attempt_failures_total",
                                          .help = "Instances that were tried and did not connect.",
                                          .labels = {"destination", "reason"}})),
      setup_seconds(registry.histograms({.name = "meshd_proxy_setup_seconds",
                                         .help = "Time from accept until bytes flow.",
                                         .labels = {"direction"}},
                                        HistogramScale::latency())),
      binds_failed(registry.gauge({.name = "meshd_proxy_binds_failed",
                                    .help = "Listeners of upstreams that could not be opened."})) {}

WorkerMetrics::WorkerMetrics(ProxyMetrics& metrics) : metrics_(metrics) {
  for (const Direction direction : {Direction::Outbound, Direction::Inbound}) {
    const std::string_view name = direction_name(direction);
    sides_[static_cast<std::size_t>(direction)] = {metrics.accepted.with({name}), metrics.open.with({name}),
                                                   metrics.setup_seconds.with({name})};
  }
}

void WorkerMetrics::accepted(Direction direction) const {
  side(direction).accepted.add();
  side(direction).open.add(1);
}

void WorkerMetrics::closed(Direction direction, const std::string& source, const std::string& destination,
                           model::ReasonCode reason) {
  side(direction).open.add(-1);
  std::string key = key_of(direction, source, destination);
  key += static_cast<char>(reason);
  if (closed_.size() >= kPairHandlesMax) closed_.clear();
  const auto [at, fresh] = closed_.try_emplace(std::move(key));
  if (fresh) at->second = metrics_.closed.with({direction_name(direction), source, destination, enum_text(reason)});
  at->second.add();
}

void WorkerMetrics::attempt_failed(const std::string& destination, model::ReasonCode reason) const {
  metrics_.attempt_failures.with({destination, enum_text(reason)}).add();
}

void WorkerMetrics::handshake_failed(Direction direction, model::ReasonCode reason) const {
  metrics_.handshake_failures.with({direction_name(direction), enum_text(reason)}).add();
}

void WorkerMetrics::set_up(Direction direction, Duration took) const { side(direction).setup.observe(took); }

PairHandles WorkerMetrics::pair(Direction direction, const std::string& source, const std::string& destination) {
  if (pairs_.size() >= kPairHandlesMax) pairs_.clear();
  const auto [at, fresh] = pairs_.try_emplace(key_of(direction, source, destination));
  if (fresh) {
    const std::string_view name = direction_name(direction);
    at->second = {metrics_.sent_bytes.with({name, source, destination}),
                  metrics_.received_bytes.with({name, source, destination})};
  }
  return at->second;
}

}  // namespace mesh::proxy
