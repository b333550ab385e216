#include "agent/proxy/outbound.h"

#include "agent/proxy/worker.h"
#include "net/original_destination.h"

namespace mesh::proxy {

using model::ReasonCode;

OutboundConnection::OutboundConnection(Worker& worker, std::unique_ptr<net::Stream> client, const UpstreamBind* bind)
    : Connection(worker, Direction::Outbound), client_(std::move(client)), snapshot_(worker.snapshot()) {
  if (bind != nullptr) bind_ = *bind;
  client_->set_observer(this);
}

OutboundConnection::~OutboundConnection() = default;

void OutboundConnection::start() {
  if (auto why_not = find_way()) return refuse(std::move(*why_not));
  deadline_ = worker_.loop().now() + worker_.limits().setup_time;
  next_attempt();
}

// ---- where to ----

std::optional<EndReport> OutboundConnection::find_way() {
  if (auto why_not = find_route_of_call()) return why_not;
  if (endpoints_ = find_endpoints(*snapshot_, destination_); endpoints_ != nullptr) {
    const auto found = endpoints_->ports.find(port_);
    if (found != endpoints_->ports.end()) instances_ = &found->second;
  }
  if (instances_ == nullptr) return EndReport{ReasonCode::NoHealthyInstance, "no instance has this port", {}};
  order_ = candidates(*instances_, worker_.failures(),
                      {worker_.next_turn(destination_), worker_.loop().now(), worker_.limits().attempts_max});
  if (order_.empty()) return EndReport{ReasonCode::NoHealthyInstance, "no instance is healthy", {}};
  return std::nullopt;
}

std::optional<EndReport> OutboundConnection::find_route_of_call() {
  net::Endpoint dialled = client_->local();
  const Route* route = bind_ ? &bind_->to : find_mesh_route(dialled);
  if (route != nullptr) destination_ = route->service;
  if (auto why_not = find_caller(worker_.proof().ask(*client_, dialled))) return why_not;
  if (route == nullptr)
    return EndReport{ReasonCode::NoRoute, fmt::format("nothing answers at {}", dialled.to_string()), {}};
  port_ = route->port;
  if (!admit(route->service)) return EndReport{ReasonCode::Overloaded, "too many connections to the service", {}};
  return std::nullopt;
}

std::optional<EndReport> OutboundConnection::find_caller(const CallerFacts& facts) {
  if (facts.foreign) return EndReport{ReasonCode::CallerNotAllowed, "the kernel knows no process of this host that holds the other end", {}};
  caller_ = facts;
  Caller caller = caller_of(*snapshot_, facts, worker_.cgroups());
  source_ = std::move(caller.source);
  if (!caller.unsure.empty())
    return EndReport{ReasonCode::CallerAmbiguous,
                     fmt::format("{} may be {}: its control group is younger than the last look at the host, and that of {} holds more "
                                 "than {}; call again after the next look", describe(facts), caller.unsure, caller.unsure, kCgroupWalkMax), {}};
  if (!caller.rival.empty())
    return EndReport{ReasonCode::CallerAmbiguous,
                     fmt::format("the process rules of {} and {} match {} alike; make one of them narrower (process: unit and user)",
                                 source_, caller.rival, describe(facts)), {}};
  if (bind_ && !may_use_bind(*snapshot_, source_, bind_->owner))
    return EndReport{ReasonCode::CallerNotAllowed,
                     fmt::format("{} is for the processes of {} only, and {} is none of them; run it as one of them or name it in "
                                 "the process rule of {}", bind_->at.to_string(), bind_->owner, describe(facts), bind_->owner), {}};
  return std::nullopt;
}

// Where sk_lookup steers, the socket's own address is the mesh address; where nftables redirects, the kernel remembers it.
const Route* OutboundConnection::find_mesh_route(net::Endpoint& dialled) const {
  if (dialled.is_unix()) return nullptr;
  if (const Route* route = find_route(*snapshot_, dialled.address()); route != nullptr) return route;
  const auto before = net::dialled_mesh_address(client_->descriptor());
  if (!before.ok()) return nullptr;
  dialled = *before;
  return find_route(*snapshot_, *before);
}

// ---- attempts ----

void OutboundConnection::next_attempt() {
  if (attempt_ == order_.size()) return refuse(std::move(last_failure_));
  if (attempt_ != 0 && worker_.loop().now() >= deadline_) return refuse(std::move(last_failure_));
  if (endpoint().local) return try_local(endpoint());
  try_remote(endpoint());
}

void OutboundConnection::try_local(const MeshEndpoint& endpoint) {
  const ProxySnapshot& now = *worker_.snapshot();
  const LocalInstance* instance = find_instance(now, endpoint.instance_id);
  if (instance == nullptr || instance->service != destination_)
    return attempt_failed({ReasonCode::InstanceUnknown, "the instance is gone", {}});
  const net::Endpoint* where = find_dial(*instance, port_);
  if (where == nullptr) return attempt_failed({ReasonCode::PortUnknown, "the instance has no such port", {}});
  const model::Decision decision = decide(instance->id);
  if (!decision.allowed) return refuse({decision.reason, "policy of this host", decision.rule});
  const MonoTime until = std::min(deadline_, worker_.loop().now() + worker_.limits().dial_time);
  connect_ = std::make_unique<net::StreamConnect>(
      worker_.loop(), *where, net::ConnectOptions{.deadline = until},
      [this](Result<std::unique_ptr<net::Stream>> result) { local_connected(std::move(result)); });
}

void OutboundConnection::local_connected(Result<std::unique_ptr<net::Stream>> result) {
  connect_.reset();
  if (!result.ok()) {
    const auto reason = result.error().code == Code::Timeout ? ReasonCode::ConnectTimeout : ReasonCode::ConnectRefused;
    return attempt_failed({reason, result.error().message, {}});
  }
  on_dial_done(std::move(*result), {});
}

void OutboundConnection::try_remote(const MeshEndpoint& endpoint) {
  const ProxySnapshot& now = *worker_.snapshot();
  leave_local();
  RemoteTarget target;
  target.host = endpoint.mesh;
  target.service = destination_;
  target.trust_domain = now.trust_domain;
  target.datacenter = now.datacenter;
  target.identity = identity_for(now, source_);
  target.trust = now.identities->trust;
  target.preface = {endpoint.instance_id, port_, {}, {}};
  if (!client_->remote().is_unix()) target.preface.source_address = client_->remote().to_string();
  target.deadline = deadline_;
  // The time of one attempt leaves room for others; the last one may use up what there is.
  target.attempt_time = attempt_ + 1 == order_.size() ? Duration::max() : worker_.limits().attempt_time;
  if (target.identity == nullptr || target.trust == nullptr)
    return refuse({ReasonCode::NoIdentity, fmt::format("{} has no certificate (yet)", source_), {}});
  dial_ = std::make_unique<RemoteDial>(worker_.loop(), worker_.pool(), std::move(target), early_, *this);
}

void OutboundConnection::attempt_failed(EndReport report) {
  worker_.metrics().attempt_failed(destination_, report.reason);
  worker_.failures().remember(endpoint(), worker_.loop().now(), worker_.limits().failure_memory);
  last_failure_ = std::move(report);
  ++attempt_;
  next_attempt();
}

void OutboundConnection::refuse(EndReport report) {
  const bool policy = report.reason == ReasonCode::DeniedByIntention || report.reason == ReasonCode::DeniedByDefault ||
                      report.reason == ReasonCode::CallerNotAllowed;
  if (policy && model::is_node_source(source_)) report.text = with_caller(std::move(report.text));
  cut(std::move(report));
}

// Whoever is denied as node/NAME wants to know why it is not the service that it should be.
std::string OutboundConnection::with_caller(std::string text) const {
  const std::string why = why_no_service(*worker_.snapshot(), caller_, worker_.cgroups());
  return why.empty() ? text : fmt::format("{}; {}", text, why);
}

// ---- the program's first bytes, while the status is awaited ----

void OutboundConnection::on_dial_open() {
  if (!client_ended_ && early_.size() < kEarlyBytesMax) client_->resume_reading();
}

void OutboundConnection::on_data(ByteView data) {
  early_.append(data);
  if (early_.size() >= kEarlyBytesMax) client_->pause_reading();
  if (dial_) dial_->write_early(data);
}

void OutboundConnection::on_end() { client_ended_ = true; }

void OutboundConnection::on_failed(const Error& error) { cut({ReasonCode::ResetBySource, error.message, {}}); }

// ---- the result of an attempt ----

void OutboundConnection::on_dial_done(std::unique_ptr<net::ByteStream> stream, ByteView rest) {
  worker_.failures().forget(endpoint());
  client_->pause_reading();
  if (dial_) {
    auto fault = take_peer(dial_->trust(), dial_->peer());
    worker_.loop().destroy_later(std::move(dial_));
    if (fault) return cut(std::move(*fault));
  }
  if (client_->failed()) return cut({ReasonCode::ResetBySource, {}, {}});
  snapshot_.reset();
  instances_ = nullptr;
  endpoints_.reset();
  const std::size_t early = std::exchange(early_, Bytes()).size();
  relay(std::move(client_), std::move(stream),
        {.for_source = rest, .source_ended = client_ended_, .destination_has = early});
}

void OutboundConnection::on_dial_failed(DialFailure failure) {
  if (dial_) worker_.loop().destroy_later(std::move(dial_));
  client_->pause_reading();
  if (failure.in_handshake) worker_.metrics().handshake_failed(Direction::Outbound, failure.reason);
  EndReport report{failure.reason, std::move(failure.text), std::move(failure.rule),
                   fmt::format("{} at {}", endpoint().instance_id, endpoint().mesh.to_string())};
  const bool policy = report.reason == ReasonCode::DeniedByIntention || report.reason == ReasonCode::DeniedByDefault;
  if (policy || failure.overloaded_here) return refuse(std::move(report));
  attempt_failed(std::move(report));
}

void OutboundConnection::release() {
  if (client_) client_->reset();
  client_.reset();
  connect_.reset();
  if (dial_) {
    dial_->cancel();
    worker_.loop().destroy_later(std::move(dial_));
  }
  instances_ = nullptr;
  endpoints_.reset();
  snapshot_.reset();
}

}  // namespace mesh::proxy
