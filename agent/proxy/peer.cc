#include "agent/proxy/peer.h"

#include <algorithm>

#include "model/spiffe.h"
#include "net/tls/identity.h"

namespace mesh::proxy {

namespace {

using model::SpiffeId;

// A SPIFFE certificate has exactly one URI (SPIFFE X.509-SVID, section 2).
Result<SpiffeId> identity_in(std::span<const std::string> uris, const Domain& domain) {
  if (uris.size() != 1) return error(Code::Unauthenticated, "a certificate with {} URIs, one is expected", uris.size());
  auto id = SpiffeId::parse(uris[0]);
  if (!id.ok()) return error(Code::Unauthenticated, "{}", id.error().message);
  if (id->trust_domain != domain.trust_domain)
    return error(Code::Unauthenticated, "{} is not of the trust domain {}", uris[0], domain.trust_domain);
  if (id->datacenter != model::fold_name(domain.datacenter))
    return error(Code::Unauthenticated, "{} is not of the datacenter {}", uris[0], domain.datacenter);
  return id;
}

}  // namespace

Status check_caller(std::span<const std::string> uris, const Domain& domain) {
  const auto id = identity_in(uris, domain);
  return id.ok() ? Status{} : Status{id.error()};
}

Status check_called(std::span<const std::string> uris, const Domain& domain, const std::string& service) {
  MESH_TRY(id, identity_in(uris, domain));
  if (id.kind == SpiffeId::Kind::Service && id.name == service) return {};
  return error(Code::Unauthenticated, "{} is not the service {}", uris[0], service);
}

Result<std::string> source_of(std::span<const std::string> uris, const ProxySnapshot& snapshot) {
  MESH_TRY(id, identity_in(uris, Domain{snapshot.trust_domain, snapshot.datacenter}));
  if (id.kind == SpiffeId::Kind::Service) return id.name;
  const auto name = snapshot.node_names->find(id.name);
  return model::node_source(name != snapshot.node_names->end() ? name->second : id.name);
}

Result<std::string> service_of(std::string_view server_name, const Domain& domain) {
  MESH_TRY(sni, model::parse_sni(server_name));
  if (sni.trust_domain != domain.trust_domain || sni.datacenter != model::fold_name(domain.datacenter))
    return error(Code::NotFound, "{} is not of {} in {}", server_name, domain.trust_domain, domain.datacenter);
  return sni.service;
}

std::vector<std::string> removed_roots(const net::TrustBundle* before, const net::TrustBundle* after) {
  std::vector<std::string> removed;
  if (before == nullptr || after == nullptr || before == after) return removed;
  for (const net::CertificateInfo& root : before->roots()) {
    const auto same = [&](const net::CertificateInfo& other) { return other.subject == root.subject; };
    if (std::none_of(after->roots().begin(), after->roots().end(), same)) removed.push_back(root.subject);
  }
  return removed;
}

}  // namespace mesh::proxy
