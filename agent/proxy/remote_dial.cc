#include "agent/proxy/remote_dial.h"

#include "model/spiffe.h"
#include "net/loop.h"
#include "net/tls/tls_stream.h"

namespace mesh::proxy {

using model::ReasonCode;

ReasonCode handshake_reason(const Error& error) {
  switch (error.code) {
    case Code::Unauthenticated:
    case Code::Denied: return ReasonCode::PeerUntrusted;
    case Code::Timeout: return ReasonCode::HostTimeout;
    case Code::Unavailable: return ReasonCode::HostUnreachable;
    case Code::Overloaded: return ReasonCode::Overloaded;
    case Code::NotFound: return ReasonCode::InstanceUnknown;  // no certificate for the service asked for
    default: return ReasonCode::HandshakeFailed;
  }
}

RemoteDial::RemoteDial(net::Loop& loop, net::HandshakePool& pool, RemoteTarget target, Bytes early,
                       DialObserver& observer)
    : loop_(loop),
      pool_(pool),
      target_(std::move(target)),
      early_(std::move(early)),
      observer_(&observer),
      status_timer_(loop, [this] { fail({ReasonCode::HostTimeout, "no status in time", {}}); }) {
  connect_ = std::make_unique<net::StreamConnect>(
      loop, net::Endpoint(target_.host), net::ConnectOptions{.deadline = attempt_deadline()},
      [this](Result<std::unique_ptr<net::Stream>> result) { connected(std::move(result)); });
}

RemoteDial::~RemoteDial() = default;

void RemoteDial::connected(Result<std::unique_ptr<net::Stream>> result) {
  connect_.reset();
  if (result.ok()) return shake_hands(std::move(*result));
  const auto reason = result.error().code == Code::Timeout ? ReasonCode::HostTimeout : ReasonCode::HostUnreachable;
  fail({reason, result.error().message, {}});
}

void RemoteDial::shake_hands(std::unique_ptr<net::Stream> stream) {
  net::TlsClientOptions options;
  options.identity = target_.identity;
  options.trust = target_.trust;
  options.server_name = model::service_sni(target_.service, target_.datacenter, target_.trust_domain);
  options.alpn = {std::string(kMeshTcpAlpn)};
  options.verify = [domain = model::ClusterName{target_.trust_domain, target_.datacenter},
                    service = target_.service](const net::CertificateInfo& certificate) {
    return check_called(certificate.uris, domain, service);
  };
  options.deadline = target_.deadline;
  options.time_begun = target_.attempt_time;
  handshake_ = std::make_unique<net::TlsHandshake>(
      pool_, std::move(stream), std::move(options),
      [this](Result<std::unique_ptr<net::TlsStream>> result) { secured(std::move(result)); });
}

void RemoteDial::secured(Result<std::unique_ptr<net::TlsStream>> result) {
  const bool begun = handshake_->begun();
  handshake_.reset();
  if (!result.ok())
    return fail({handshake_reason(result.error()), result.error().message, {}, true, !begun && result.error().code == Code::Overloaded});
  stream_ = std::move(*result);
  if (stream_->alpn() != kMeshTcpAlpn)
    return fail({ReasonCode::HandshakeFailed, "the other agent does not speak mesh-tcp/1", {}, true});
  const net::CertificateInfo* peer = stream_->peer();
  if (peer == nullptr) return fail({ReasonCode::PeerUntrusted, "the other agent shows no certificate", {}, true});
  peer_ = peer_of(*peer, stream_->peer_root_key_hash(), {target_.trust_domain, target_.datacenter});
  stream_->set_observer(this);
  const Bytes preface = encode_preface(target_.preface);
  const ByteView pieces[] = {preface, early_};
  stream_->write(pieces);
  early_ = Bytes();
  status_timer_.start_at(attempt_deadline());
  stream_->resume_reading();
  observer_->on_dial_open();
}

void RemoteDial::write_early(ByteView data) {
  if (stream_ != nullptr) stream_->write(data);
}

// ---- the status ----

void RemoteDial::on_data(ByteView data) {
  const auto whole = reader_.feed(data);
  if (!whole.ok()) return fail({ReasonCode::ProtocolError, whole.error().message, {}});
  if (!*whole) return;
  const auto status = reader_.status();
  if (!status.ok()) return fail({ReasonCode::ProtocolError, status.error().message, {}});
  const ReasonCode reason = model::reason_code_of(status->reason);
  if (reason != ReasonCode::Connected) return fail({reason, status->text, status->rule});
  status_timer_.stop();
  stream_->pause_reading();
  std::exchange(observer_, nullptr)->on_dial_done(std::move(stream_), data);
}

void RemoteDial::on_end() { fail({ReasonCode::ProtocolError, "the other agent ended without a status", {}}); }

void RemoteDial::on_failed(const Error& error) { fail({ReasonCode::HostUnreachable, error.message, {}}); }

// ---- the end ----

MonoTime RemoteDial::attempt_deadline() const {
  const MonoTime now = loop_.now();
  return target_.attempt_time < target_.deadline - now ? now + target_.attempt_time : target_.deadline;
}

void RemoteDial::fail(DialFailure failure) {
  DialObserver* const observer = observer_;
  cancel();
  if (observer != nullptr) observer->on_dial_failed(std::move(failure));
}

void RemoteDial::cancel() {
  observer_ = nullptr;
  connect_.reset();
  handshake_.reset();
  stream_.reset();
  status_timer_.stop();
}

}  // namespace mesh::proxy
