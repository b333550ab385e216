#include "server/peer.h"

#include "model/spiffe.h"

namespace mesh::server {

Result<net::RpcPeer> peer_of(const ClusterName& cluster, const net::CertificateInfo* certificate) {
  using Kind = model::SpiffeId::Kind;
  if (certificate == nullptr) return net::RpcPeer{net::RpcPeer::Kind::Joining, ""};
  if (certificate->uris.size() != 1) return error(Code::Denied, "a certificate with {} identities", certificate->uris.size());
  const Result<model::SpiffeId> id = model::SpiffeId::parse(certificate->uris.front());
  if (!id.ok()) return error(Code::Denied, "{}", id.error().message);
  if (id->trust_domain != cluster.trust_domain) {
    return error(Code::Denied, "a certificate of another mesh: {}", id->trust_domain);
  }
  if (id->datacenter != cluster.datacenter) {
    return error(Code::Denied, "a certificate of datacenter {}; datacenters cannot be joined yet", id->datacenter);
  }
  if (id->kind == Kind::Service) return error(Code::Denied, "services do not talk to servers, their nodes do");
  return net::RpcPeer{id->kind == Kind::Agent ? net::RpcPeer::Kind::Agent : net::RpcPeer::Kind::Server, id->name};
}

}  // namespace mesh::server
