#include "agent/server_channel.h"

#include "net/rpc_tls.h"

namespace mesh::agent {

Status verify_server(const net::CertificateInfo& certificate, const model::ClusterName& cluster) {
  MESH_TRY(id, model::identity_in(certificate.uris, cluster));
  if (id.kind == model::SpiffeId::Kind::Server) return {};
  return error(Code::Denied, "{} is no server", certificate.uris.front());
}

struct ServerChannel::Parts {
  Parts(net::Loop& loop, net::HandshakePool& pool, Rng rng, ServerChannelOptions with)
      : options(std::move(with)),
        dialer(loop, pool, [this] { return tls(); }),
        redial(loop, dialer, rng, options.redial) {}

  [[nodiscard]] net::TlsClientOptions tls() const {
    net::TlsClientOptions tls;
    tls.identity = identity;
    tls.trust = trust;
    tls.server_name = model::server_sni(options.datacenter, options.trust_domain);
    tls.verify = [cluster = model::ClusterName{options.trust_domain, options.datacenter}](const net::CertificateInfo& peer) {
      return verify_server(peer, cluster);
    };
    return tls;
  }
  // Something to dial with has changed.
  void changed() {
    if (identity == nullptr || trust == nullptr) return;
    if (!std::exchange(started, true)) redial.set_endpoints(servers);
    else redial.renew();
  }

  ServerChannelOptions options;
  std::shared_ptr<const net::TlsIdentity> identity;
  std::shared_ptr<const net::TrustBundle> trust;
  std::vector<net::Endpoint> servers;
  bool started = false;
  net::TlsDialer dialer;
  net::RpcRedialChannel redial;
};

ServerChannel::ServerChannel(net::Loop& loop, net::HandshakePool& pool, Rng rng, ServerChannelOptions options)
    : parts_(std::make_unique<Parts>(loop, pool, rng, std::move(options))) {}

ServerChannel::~ServerChannel() = default;

std::unique_ptr<net::RpcCall> ServerChannel::call(net::RpcMethod method, Bytes request, MonoTime deadline, OnReply on_reply) {
  return parts_->redial.call(method, std::move(request), deadline, std::move(on_reply));
}

std::unique_ptr<net::RpcStream> ServerChannel::open(net::RpcMethod method, Bytes request, net::RpcStreamObserver& observer) {
  return parts_->redial.open(method, std::move(request), observer);
}

void ServerChannel::set_servers(std::vector<net::Endpoint> servers) {
  parts_->servers = std::move(servers);
  if (parts_->started) parts_->redial.set_endpoints(parts_->servers);
}

void ServerChannel::set_identity(std::shared_ptr<const net::TlsIdentity> identity) {
  if (parts_->identity == identity) return;
  parts_->identity = std::move(identity);
  parts_->changed();
}

void ServerChannel::set_trust(std::shared_ptr<const net::TrustBundle> trust) {
  if (parts_->trust == trust) return;
  parts_->trust = std::move(trust);
  parts_->changed();
}

const net::RpcLinkState& ServerChannel::state() const { return parts_->redial.state(); }
std::string ServerChannel::describe() const { return parts_->redial.describe(); }
void ServerChannel::set_on_change(UniqueFunction<void()> fn) { parts_->redial.set_on_change(std::move(fn)); }

}  // namespace mesh::agent
