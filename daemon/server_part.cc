#include "daemon/server_part.h"

#include <vector>

#include "base/clock.h"
#include "base/log.h"
#include "base/mailbox.h"
#include "model/spiffe.h"
#include "net/address.h"

namespace mesh::daemon {
namespace {

constexpr Duration kStopMax = seconds(5);

}  // namespace

Status ServerPart::open(const server::ServerOptions& options, UniqueFunction<void(const Error&)> on_fatal) {
  MESH_TRY(opened, server::Server::open(loop(), options, std::move(on_fatal)));
  server_ = std::move(opened);
  local_ = std::make_unique<net::LocalRpcListener>(loop(), server_->rpc());
  return {};
}

Status ServerPart::listen(const model::Config& config, const agent::NodeRecord& record, net::HandshakePool& pool) {
  MESH_TRY(bind, net::IpAddress::parse(config.bind).context("bind"));
  const model::ClusterName cluster{agent::trust_domain_of(record), record.datacenter};
  net::RpcTlsListenerOptions options;
  options.tls = [this, cluster] { return tls_options(cluster); };
  options.peer_of = [cluster](const net::CertificateInfo* certificate) { return server::peer_of(cluster, certificate); };
  options.rpc.metrics = &metrics_;
  const net::Endpoint at(bind, static_cast<std::uint16_t>(config.ports.rpc));
  MESH_TRY(port, net::RpcTlsListener::listen(loop(), at, pool, server_->rpc(), std::move(options))
                     .context("while opening server RPC (ports.rpc, --rpc-port)"));
  port_ = std::move(port);
  return {};
}

// A caller without a certificate may join, nothing else: server/authorize.h.
net::TlsServerOptions ServerPart::tls_options(const model::ClusterName& cluster) const {
  net::TlsServerOptions options;
  options.trust = trust_;
  options.client_certificate = net::ClientCertificate::Optional;
  options.select = [identity = identity_, name = model::server_sni(cluster.datacenter, cluster.trust_domain)](
                       std::string_view asked) { return asked == name ? identity : nullptr; };
  options.verify = [cluster](const net::CertificateInfo& peer) -> Status {
    const auto who = server::peer_of(cluster, &peer);
    return who.ok() ? Status() : Status(who.error());
  };
  return options;
}

void ServerPart::set_identities(const proxy::Identities& identities) {
  loop().post([this, node = identities.node, trust = identities.trust] {
    identity_ = node;
    trust_ = trust;
  });
}

void ServerPart::gossip_started() {
  loop().post([this] { server_->gossip_started(); });
}

void ServerPart::on_member(const gossip::MemberEvent& event) {
  loop().post([this, event] { server_->on_member(event); });
}

std::unique_ptr<net::RpcChannel> ServerPart::connect(net::Loop& client_loop) const {
  return local_->connect(client_loop);
}

void ServerPart::stop() {
  if (server_ == nullptr) return;
  if (thread_.running()) {
    Mailbox<bool> stopped(1);
    loop().post([this, &stopped] { server_->stop([&stopped] { (void)stopped.push(true); }); });
    std::vector<bool> done;
    if (!stopped.wait_until(done, mono_now() + kStopMax)) LOG_WARN("the server did not stop in time");
    thread_.stop();
  }
  port_.reset();
  local_.reset();
  server_.reset();
}

}  // namespace mesh::daemon
