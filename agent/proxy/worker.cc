#include "agent/proxy/worker.h"

#include "agent/proxy/inbound.h"
#include "agent/proxy/outbound.h"
#include "base/log.h"

namespace mesh::proxy {

using model::ReasonCode;

Worker::Worker(net::Loop& loop, const WorkerOptions& options, net::HandshakePool& pool, const CallerProof& proof,
               ProxyMetrics& metrics)
    : loop_(loop),
      options_(options),
      pool_(pool),
      proof_(proof),
      cgroups_(proof),
      metrics_(metrics),
      snapshot_(std::make_shared<const ProxySnapshot>()),
      bind_timer_(loop, [this] { open_binds(); }),
      drain_timer_(loop, [this] { cut_all({ReasonCode::Draining, "the time to drain is over", {}}); }) {}

Worker::~Worker() {
  on_drained_ = nullptr;
  cut_all({ReasonCode::Draining, "the agent stops", {}});
}

Status Worker::listen(const net::Endpoint& outbound, const net::Endpoint& inbound) {
  const net::ListenOptions options{.reuse_port = true};
  MESH_TRY(out, net::StreamListener::listen(loop_, outbound, options, [this](std::unique_ptr<net::Stream> stream) {
    accept_outbound(std::move(stream), nullptr);
  }));
  MESH_TRY(in, net::StreamListener::listen(loop_, inbound, options, [this](std::unique_ptr<net::Stream> stream) {
    accept_inbound(std::move(stream));
  }));
  outbound_ = std::move(out);
  inbound_ = std::move(in);
  outbound_->pause();  // until the first snapshot
  inbound_->pause();
  return {};
}

// ---- snapshots ----

void Worker::take(ProxySnapshotPtr snapshot) {
  const ProxySnapshotPtr before = std::exchange(snapshot_, std::move(snapshot));
  if (!published_ && !draining_) {
    published_ = true;
    outbound_->resume();
    inbound_->resume();
  }
  if (options_.makes_binds && !draining_ && before->binds != snapshot_->binds) update_binds();
  if (before->rules != snapshot_->rules || before->instances != snapshot_->instances) recheck_all();
  if (before->identities->trust != snapshot_->identities->trust || before->removed != snapshot_->removed) recheck_peers(*before);
  if (before->endpoints != snapshot_->endpoints) forget_idle_services();
}

// A connection that is cut leaves the table and lives on until the callback in progress has returned.
std::vector<Connection*> Worker::open_connections() const {
  std::vector<Connection*> open;
  open.reserve(connections_.size());
  for (const auto& [connection, owner] : connections_) open.push_back(connection);
  return open;
}

void Worker::recheck_all() {
  for (Connection* connection : open_connections()) connection->recheck();
}

void Worker::recheck_peers(const ProxySnapshot& before) {
  const auto removed = removed_roots(before.identities->trust.get(), snapshot_->identities->trust.get());
  for (Connection* connection : open_connections()) connection->recheck_peer(removed);
}

void Worker::forget_idle_services() {
  std::erase_if(services_, [this](const auto& entry) {
    return entry.second.connections == 0 && !snapshot_->endpoints->contains(entry.first);
  });
}

// ---- listeners of upstreams ----

void Worker::update_binds() {
  std::map<net::Endpoint, Bind> wanted;
  for (const UpstreamBind& bind : *snapshot_->binds) {
    if (const auto first = wanted.find(bind.at); first != wanted.end()) {
      LOG_WARN("two upstreams want one address; the first has it", {"address", bind.at.to_string()},
               {"service", first->second.what.owner}, {"other", bind.owner}, {"try", "another bind: for one of them"});
      continue;
    }
    const auto old = binds_.find(bind.at);
    if (old != binds_.end() && old->second.what == bind)
      wanted.insert(binds_.extract(old));
    else
      wanted.emplace(bind.at, Bind{bind, nullptr});
  }
  binds_ = std::move(wanted);  // closes what nobody wants any more, before the new ones open
  open_binds();
}

void Worker::open_binds() {
  std::size_t failed = 0;
  for (auto& [where, bind] : binds_) {
    if (bind.listener == nullptr) open_bind(bind);
    if (bind.listener == nullptr) ++failed;
  }
  metrics_.families().binds_failed.set(static_cast<double>(failed));
  if (failed != 0) bind_timer_.start_after(limits().bind_retry);
}

void Worker::open_bind(Bind& bind) {
  // The map's nodes do not move, also from map to map: the listener may keep the address of what it is for.
  // A unix socket is as open as a port: who calls decides (may_use_bind).
  auto made = net::StreamListener::listen(loop_, bind.what.at, {.unix_mode = 0666},
                                          [this, what = &bind.what](std::unique_ptr<net::Stream> stream) {
                                            accept_outbound(std::move(stream), what);
                                          });
  const bool told = std::exchange(bind.told, !made.ok());
  if (made.ok()) {
    bind.listener = std::move(*made);
    if (told) LOG_INFO("the address of an upstream is open now", {"service", bind.what.owner}, {"address", bind.what.at.to_string()});
    return;
  }
  if (told) return;
  LOG_WARN("the address of an upstream is not available; it is tried again", {"service", bind.what.owner},
           {"upstream", bind.what.to.service}, {"error", made.error()}, {"every", limits().bind_retry});
}

// ---- connections ----

bool Worker::full(Direction direction) {
  metrics_.accepted(direction);
  const bool pending = direction == Direction::Inbound && inbound_pending_ >= limits().inbound_pending_max;
  if (!pending && connections_.size() < limits().connections_max) return false;
  metrics_.closed(direction, {}, {}, ReasonCode::Overloaded);
  LOG_WARN("connection refused", {"direction", direction_name(direction)}, {"reason", enum_text(ReasonCode::Overloaded)},
           {"open", connections_.size()}, {"pending", inbound_pending_});
  return true;
}

void Worker::accept_outbound(std::unique_ptr<net::Stream> stream, const UpstreamBind* bind) {
  if (full(Direction::Outbound)) return stream->reset();
  add(std::make_unique<OutboundConnection>(*this, std::move(stream), bind));
}

void Worker::accept_inbound(std::unique_ptr<net::Stream> stream) {
  if (full(Direction::Inbound)) return stream->reset();
  ++inbound_pending_;
  add(std::make_unique<InboundConnection>(*this, std::move(stream)));
}

// Registered before anything is decided, so that no change of policy can slip between decision and registration.
void Worker::add(std::unique_ptr<Connection> connection) {
  Connection* const started = connection.get();
  connections_.emplace(started, std::move(connection));
  started->start();
}

bool Worker::admit(const std::string& service) {
  Service& entry = services_[service];
  if (entry.connections >= limits().connections_per_service_max) return false;
  ++entry.connections;
  return true;
}

void Worker::leave(const std::string& service) {
  const auto found = services_.find(service);
  CHECK(found != services_.end() && found->second.connections != 0, "{} has no connection to leave", service);
  --found->second.connections;
}

void Worker::remove(Connection& connection) {
  const auto found = connections_.find(&connection);
  CHECK(found != connections_.end());
  loop_.destroy_later(std::move(found->second));
  connections_.erase(found);
  if (draining_) check_drained();
}

// ---- drain ----

void Worker::drain(MonoTime deadline, UniqueFunction<void()> on_drained) {
  draining_ = true;
  on_drained_ = std::move(on_drained);
  outbound_.reset();
  inbound_.reset();
  binds_.clear();
  bind_timer_.stop();
  drain_timer_.start_at(deadline);
  check_drained();
}

void Worker::check_drained() {
  if (!connections_.empty() || !on_drained_) return;
  drain_timer_.stop();
  UniqueFunction<void()> fn = std::move(on_drained_);
  fn();
}

void Worker::cut_all(const EndReport& report) {
  for (Connection* connection : open_connections()) connection->cut(report);
}

}  // namespace mesh::proxy
