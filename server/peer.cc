#include "server/peer.h"

namespace mesh::server {

Result<net::RpcPeer> peer_of(const model::ClusterName& cluster, const net::CertificateInfo* certificate) {
  using Kind = model::SpiffeId::Kind;
  if (certificate == nullptr) return net::RpcPeer{net::RpcPeer::Kind::Joining, ""};
  MESH_TRY(id, model::identity_in(certificate->uris, cluster));
  if (id.kind == Kind::Service) return error(Code::Denied, "services do not talk to servers, their nodes do");
  return net::RpcPeer{id.kind == Kind::Agent ? net::RpcPeer::Kind::Agent : net::RpcPeer::Kind::Server, std::move(id.name)};
}

}  // namespace mesh::server
