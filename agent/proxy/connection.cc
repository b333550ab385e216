#include "agent/proxy/connection.h"

#include <algorithm>

#include "agent/proxy/worker.h"
#include "base/log.h"

namespace mesh::proxy {

using model::ReasonCode;

namespace {

std::string_view side_name(Direction direction) { return direction == Direction::Outbound ? "source" : "destination"; }

bool decided_by_rules(ReasonCode reason) {
  return reason == ReasonCode::DeniedByIntention || reason == ReasonCode::DeniedByDefault ||
         reason == ReasonCode::NoLongerAllowed;
}

}  // namespace

Connection::Connection(Worker& worker, Direction direction)
    : worker_(worker), direction_(direction), accepted_at_(worker.loop().now()) {}

Connection::~Connection() = default;

bool Connection::admit(const std::string& service) {
  destination_ = service;
  admitted_ = worker_.admit(service);
  return admitted_;
}

model::Decision Connection::decide(const std::string& instance) {
  instance_ = instance;
  return authorize(*worker_.snapshot(), source_, destination_);
}

void Connection::recheck() {
  if (finished_ || instance_.empty()) return;
  const ProxySnapshot& snapshot = *worker_.snapshot();
  const model::Decision decision = authorize(snapshot, source_, destination_);
  if (!decision.allowed) return cut({ReasonCode::NoLongerAllowed, "policy changed", decision.rule});
  // An instance that is gone keeps its connections: a service deregisters before it ends its work.
  const LocalInstance* instance = find_instance(snapshot, instance_);
  if (instance != nullptr && instance->service != destination_)
    return cut({ReasonCode::InstanceReplaced, "the instance id belongs to another service now", {}});
}

std::optional<EndReport> Connection::take_peer(const net::TrustBundle& found_good_by, Peer peer) {
  peer_ = std::move(peer);
  const auto removed = removed_roots(&found_good_by, worker_.snapshot()->identities->trust.get());
  return peer_fault(removed);
}

std::optional<EndReport> Connection::peer_fault(std::span<const Bytes> removed_roots) const {
  const auto why = why_untrusted(*peer_, {removed_roots, *worker_.snapshot()->removed});
  if (why.empty()) return std::nullopt;
  return EndReport{ReasonCode::PeerNoLongerTrusted, std::string(why), {}};
}

void Connection::recheck_peer(std::span<const Bytes> removed_roots) {
  if (finished_ || !peer_) return;
  if (auto fault = peer_fault(removed_roots)) cut(std::move(*fault));
}

void Connection::relay(std::unique_ptr<net::ByteStream> source, std::unique_ptr<net::ByteStream> destination,
                       const RelayStart& start) {
  WorkerMetrics& metrics = worker_.metrics();
  metrics.set_up(direction_, worker_.loop().now() - accepted_at_);
  const PairHandles handles = metrics.pair(direction_, source_, destination_);
  const RelayOptions options{worker_.limits().idle_time, handles.sent_bytes, handles.received_bytes};
  relay_ = std::make_unique<Relay>(std::move(source), std::move(destination), options,
                                   [this](ReasonCode reason) { finish({reason, {}, {}}); });
  relay_->start(start);
}

void Connection::cut(EndReport report) {
  if (finished_) return;
  if (relay_) relay_->reset();
  finish(std::move(report));
}

void Connection::finish(EndReport report) {
  if (finished_) return;
  finished_ = true;
  release();
  log_end(report);
  worker_.metrics().closed(direction_, source_, destination_, report.reason);
  if (admitted_) worker_.leave(destination_);
  worker_.remove(*this);
}

void Connection::log_end(const EndReport& report) const {
  if (report.reason > ReasonCode::Draining) return log_refused(report);
  if (!log_enabled(LogLevel::Debug)) return;
  LOG_DEBUG("connection ended", {"side", side_name(direction_)}, {"source", source_}, {"destination", destination_},
            {"reason", enum_text(report.reason)}, {"sent", relay_ ? relay_->bytes_to_destination() : 0},
            {"received", relay_ ? relay_->bytes_to_source() : 0}, {"took", worker_.loop().now() - accepted_at_});
}

// What an operator looks for when something does not work: who, to whom, why, by which rule.
void Connection::log_refused(const EndReport& report) const {
  if (!log_enabled(LogLevel::Info)) return;
  const std::string_view rule = report.rule.empty() && decided_by_rules(report.reason) ? std::string_view("default") : std::string_view(report.rule);
  const std::string& endpoint = report.endpoint.empty() ? instance_ : report.endpoint;
  const Duration took = worker_.loop().now() - accepted_at_;
  if (relay_)
    LOG_INFO("connection closed", {"side", side_name(direction_)}, {"source", source_}, {"destination", destination_},
             {"reason", enum_text(report.reason)}, {"rule", rule}, {"endpoint", endpoint}, {"text", report.text},
             {"sent", relay_->bytes_to_destination()}, {"received", relay_->bytes_to_source()}, {"took", took});
  else
    LOG_INFO("connection refused", {"side", side_name(direction_)}, {"source", source_}, {"destination", destination_},
             {"reason", enum_text(report.reason)}, {"rule", rule}, {"endpoint", endpoint}, {"text", report.text},
             {"took", took});
}

}  // namespace mesh::proxy
