#include "agent/proxy/peer.h"

#include <algorithm>

#include "net/tls/identity.h"

namespace mesh::proxy {

using model::SpiffeId;

Status check_caller(std::span<const std::string> uris, const model::ClusterName& cluster) {
  const auto id = model::identity_in(uris, cluster);
  return id.ok() ? Status{} : Status{id.error()};
}

Status check_called(std::span<const std::string> uris, const model::ClusterName& cluster, const std::string& service) {
  MESH_TRY(id, model::identity_in(uris, cluster));
  if (id.kind == SpiffeId::Kind::Service && id.name == service) return {};
  return error(Code::Unauthenticated, "{} is not the service {}", uris[0], service);
}

Result<std::string> source_of(std::span<const std::string> uris, const ProxySnapshot& snapshot) {
  MESH_TRY(id, model::identity_in(uris, model::ClusterName{snapshot.trust_domain, snapshot.datacenter}));
  if (id.kind == SpiffeId::Kind::Service) return id.name;
  const auto name = snapshot.node_names->find(id.name);
  return model::node_source(name != snapshot.node_names->end() ? name->second : id.name);
}

Result<std::string> service_of(std::string_view server_name, const model::ClusterName& cluster) {
  MESH_TRY(sni, model::parse_sni(server_name));
  if (sni.trust_domain != cluster.trust_domain || !model::same_name(sni.datacenter, cluster.datacenter))
    return error(Code::NotFound, "{} is not of {} in {}", server_name, cluster.trust_domain, cluster.datacenter);
  return sni.service;
}

Peer peer_of(const net::CertificateInfo& certificate, Bytes root_key_hash, const model::ClusterName& cluster) {
  Peer peer{std::move(root_key_hash), model::node_in(certificate.dns_names, cluster)};
  const auto id = model::identity_in(certificate.uris, cluster);
  if (id.ok() && id->kind != SpiffeId::Kind::Service) peer.node_id = id->name;
  return peer;
}

std::string_view why_untrusted(const Peer& peer, const TrustNow& now) {
  if (now.removed_nodes.contains(peer.node_id)) return "its node was removed from the mesh";
  const auto& roots = now.removed_roots;
  if (std::find(roots.begin(), roots.end(), peer.root_key_hash) != roots.end()) return "its root is not trusted any more";
  return {};
}

std::vector<Bytes> removed_roots(const net::TrustBundle* before, const net::TrustBundle* after) {
  std::vector<Bytes> removed;
  if (before == nullptr || after == nullptr || before == after) return removed;
  for (const net::CertificateInfo& root : before->roots()) {
    const auto same = [&](const net::CertificateInfo& other) { return other.key_hash == root.key_hash; };
    if (std::none_of(after->roots().begin(), after->roots().end(), same)) removed.push_back(root.key_hash);
  }
  return removed;
}

}  // namespace mesh::proxy
