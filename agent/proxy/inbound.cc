#include "agent/proxy/inbound.h"

#include "agent/proxy/remote_dial.h"
#include "agent/proxy/worker.h"
#include "net/tls/tls_stream.h"

namespace mesh::proxy {

using model::ReasonCode;

namespace {

// Runs on the handshake pool: holds the snapshot of the time of the accept.
std::shared_ptr<const net::TlsIdentity> select_identity(const ProxySnapshot& snapshot, std::string_view server_name) {
  const auto service = service_of(server_name, {snapshot.trust_domain, snapshot.datacenter});
  if (!service.ok()) return nullptr;
  const auto found = snapshot.identities->services.find(*service);
  return found == snapshot.identities->services.end() ? nullptr : found->second;
}

}  // namespace

InboundConnection::InboundConnection(Worker& worker, std::unique_ptr<net::Stream> accepted)
    : Connection(worker, Direction::Inbound), accepted_(std::move(accepted)) {}

InboundConnection::~InboundConnection() = default;

void InboundConnection::start() {
  const ProxySnapshotPtr snapshot = worker_.snapshot();
  if (snapshot->identities->trust == nullptr)
    return refuse({ReasonCode::NoIdentity, "this node has no certificates yet", {}});
  net::TlsServerOptions options;
  options.select = [snapshot](std::string_view server_name) { return select_identity(*snapshot, server_name); };
  options.trust = trust_ = snapshot->identities->trust;
  options.alpn = {std::string(kMeshTcpAlpn)};
  options.verify = [snapshot](const net::CertificateInfo& certificate) {
    return check_caller(certificate.uris, {snapshot->trust_domain, snapshot->datacenter});
  };
  options.deadline = worker_.loop().now() + worker_.limits().handshake_time;
  handshake_ = std::make_unique<net::TlsHandshake>(
      worker_.pool(), std::move(accepted_), std::move(options),
      [this](Result<std::unique_ptr<net::TlsStream>> result) { secured(std::move(result)); });
}

void InboundConnection::secured(Result<std::unique_ptr<net::TlsStream>> result) {
  handshake_.reset();
  if (!result.ok()) {
    const ReasonCode reason = handshake_reason(result.error());
    worker_.metrics().handshake_failed(Direction::Inbound, reason);
    return cut({reason, result.error().message, {}});
  }
  stream_ = std::move(*result);
  stream_->set_observer(this);
  read_peer();
}

// Policy of now, not of the time of the accept: roots and names may have changed during the handshake.
void InboundConnection::read_peer() {
  const ProxySnapshot& snapshot = *worker_.snapshot();
  const net::CertificateInfo* peer = stream_->peer();
  if (peer == nullptr || stream_->alpn() != kMeshTcpAlpn)
    return cut({ReasonCode::HandshakeFailed, "no certificate, or not mesh-tcp/1", {}});
  auto source = source_of(peer->uris, snapshot);
  if (!source.ok()) return cut({ReasonCode::PeerUntrusted, source.error().message, {}});
  auto service = service_of(stream_->server_name(), {snapshot.trust_domain, snapshot.datacenter});
  if (!service.ok()) return cut({ReasonCode::PeerUntrusted, service.error().message, {}});
  source_ = std::move(*source);
  if (auto fault = take_peer(*trust_, peer_of(*peer, stream_->peer_root_key_hash(), {snapshot.trust_domain, snapshot.datacenter})))
    return cut(std::move(*fault));
  timer_ = std::make_unique<net::Timer>(worker_.loop(), [this] { time_over(); });
  timer_->start_after(worker_.limits().preface_time);
  if (!admit(*service)) return refuse({ReasonCode::Overloaded, "too many connections to the service", {}});
  stream_->resume_reading();
}

// ---- the preface ----

void InboundConnection::on_data(ByteView data) {
  if (refusing_) return;  // read and dropped, so that the status is not lost to a reset
  const auto whole = reader_.feed(data);
  if (!whole.ok()) return refuse({ReasonCode::ProtocolError, whole.error().message, {}});
  if (*whole) preface_read(data);
}

void InboundConnection::preface_read(ByteView rest) {
  preface_done_ = true;
  timer_->stop();
  no_longer_pending();
  stream_->pause_reading();
  early_.assign(rest);
  const auto preface = reader_.preface();
  if (!preface.ok()) return refuse({ReasonCode::ProtocolError, preface.error().message, {}});
  call(*preface);
}

void InboundConnection::call(const Preface& preface) {
  const ProxySnapshot& snapshot = *worker_.snapshot();
  const model::Decision decision = decide(preface.instance);
  if (!decision.allowed) return refuse({decision.reason, "the destination's policy", decision.rule});
  const LocalInstance* instance = find_instance(snapshot, preface.instance);
  if (instance == nullptr || instance->service != destination_)
    return refuse({ReasonCode::InstanceUnknown, "no such instance of the service on this node", {}});
  const net::Endpoint* where = find_dial(*instance, preface.port);
  if (where == nullptr) return refuse({ReasonCode::PortUnknown, "the instance has no such port", {}});
  dial(*where);
}

// ---- the program ----

void InboundConnection::dial(const net::Endpoint& where) {
  connect_ = std::make_unique<net::StreamConnect>(
      worker_.loop(), where, net::ConnectOptions{.deadline = worker_.loop().now() + worker_.limits().dial_time},
      [this](Result<std::unique_ptr<net::Stream>> result) { dialled(std::move(result)); });
}

void InboundConnection::dialled(Result<std::unique_ptr<net::Stream>> result) {
  connect_.reset();
  if (!result.ok()) {
    const auto reason = result.error().code == Code::Timeout ? ReasonCode::ConnectTimeout : ReasonCode::ConnectRefused;
    return refuse({reason, result.error().message, {}});
  }
  if (stream_->failed()) return cut({ReasonCode::ResetBySource, {}, {}});
  timer_.reset();
  answer({});
  const Bytes early = std::move(early_);
  relay(std::move(stream_), std::move(*result), {.for_destination = early, .source_ended = peer_ended_});
}

// ---- refusing ----

void InboundConnection::answer(const EndReport& report) {
  stream_->write_owned(encode_status({static_cast<std::uint32_t>(report.reason), report.text, report.rule}));
}

// The status, the end, and a while for the source to read them; then the connection is over.
void InboundConnection::refuse(EndReport report) {
  if (stream_ == nullptr || stream_->failed() || !timer_) return cut(std::move(report));
  no_longer_pending();
  answer(report);
  refused_ = std::move(report);
  refusing_ = true;
  stream_->shutdown_write();
  if (peer_ended_) return finish(std::move(refused_));
  stream_->resume_reading();
  timer_->start_after(kRefusedLingerTime);
}

void InboundConnection::on_end() {
  peer_ended_ = true;
  if (refusing_) return finish(std::move(refused_));
  if (!preface_done_) return cut({ReasonCode::ProtocolError, "the source ended without a preface", {}});
}

void InboundConnection::on_failed(const Error& error) {
  if (refusing_) return finish(std::move(refused_));
  cut({ReasonCode::ResetBySource, error.message, {}});
}

void InboundConnection::time_over() {
  if (refusing_) return cut(std::move(refused_));
  cut({ReasonCode::PrefaceTimeout, "no preface in time", {}});
}

void InboundConnection::no_longer_pending() {
  if (pending_) worker_.pending_done();
  pending_ = false;
}

void InboundConnection::release() {
  no_longer_pending();
  handshake_.reset();
  connect_.reset();
  timer_.reset();
  if (accepted_) accepted_->reset();
  accepted_.reset();
  if (stream_ && !refusing_) stream_->reset();
  stream_.reset();
}

}  // namespace mesh::proxy
