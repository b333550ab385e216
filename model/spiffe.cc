#include "model/spiffe.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/uuid.h"
#include "model/names.h"

namespace mesh::model {

namespace {

constexpr std::string_view kScheme = "spiffe://";
constexpr std::string_view kServicePath = "/ns/default/dc/";
constexpr std::string_view kAgentPath = "/agent/client/dc/";
constexpr std::string_view kServerPath = "/agent/server/dc/";
constexpr std::size_t kUriBytesMax = 512;

// A UUID and the domain behind it.
bool is_trust_domain(std::string_view text) {
  if (text.size() > kDnsNameMax || text.size() <= Uuid::kTextBytes || text[Uuid::kTextBytes] != '.') return false;
  return Uuid::parse(text.substr(0, Uuid::kTextBytes)).ok() && is_dns_name(text.substr(Uuid::kTextBytes + 1));
}

bool is_folded(std::string_view text) {
  return std::none_of(text.begin(), text.end(), [](char c) { return c >= 'A' && c <= 'Z'; });
}

struct Form {
  SpiffeId::Kind kind;
  std::string_view before_dc;
  std::string_view before_name;
};
constexpr Form kForms[] = {{SpiffeId::Kind::Service, kServicePath, "/svc/"},
                           {SpiffeId::Kind::Agent, kAgentPath, "/id/"},
                           {SpiffeId::Kind::Server, kServerPath, "/id/"}};

bool is_name_of(SpiffeId::Kind kind, std::string_view name) {
  return kind == SpiffeId::Kind::Service ? is_mesh_name(name) : Uuid::parse(name).ok();
}

Error bad_uri(std::string_view uri) {
  return error(Code::Invalid, "\"{}\" is no identity of a mesh", uri.substr(0, kUriBytesMax));
}

}  // namespace

Result<SpiffeId> SpiffeId::parse(std::string_view uri) {
  if (uri.size() > kUriBytesMax || !uri.starts_with(kScheme) || !is_folded(uri)) return bad_uri(uri);
  const std::string_view rest = uri.substr(kScheme.size());
  const std::size_t slash = std::min(rest.find('/'), rest.size());
  const std::string_view domain = rest.substr(0, slash);
  std::string_view path = rest.substr(slash);
  if (!is_trust_domain(domain)) return bad_uri(uri);
  for (const Form& form : kForms) {
    if (!path.starts_with(form.before_dc)) continue;
    path.remove_prefix(form.before_dc.size());
    const std::size_t split = path.find(form.before_name);
    if (split == std::string_view::npos) return bad_uri(uri);
    const std::string_view dc = path.substr(0, split);
    const std::string_view name = path.substr(split + form.before_name.size());
    if (!is_dns_label(dc) || !is_name_of(form.kind, name)) return bad_uri(uri);
    return SpiffeId{form.kind, std::string(domain), std::string(dc), std::string(name)};
  }
  return bad_uri(uri);
}

std::string SpiffeId::uri() const {
  const Form& form = kForms[static_cast<std::size_t>(kind)];
  return fold_name(fmt::format("{}{}{}{}{}{}", kScheme, trust_domain, form.before_dc, datacenter, form.before_name, name));
}

Result<SpiffeId> identity_in(std::span<const std::string> uris, const ClusterName& cluster) {
  if (uris.size() != 1) return error(Code::Unauthenticated, "a certificate with {} URIs, one is expected", uris.size());
  auto id = SpiffeId::parse(uris.front());
  if (!id.ok()) return error(Code::Unauthenticated, "{}", id.error().message);
  if (id->trust_domain != cluster.trust_domain)
    return error(Code::Unauthenticated, "{} is of another mesh than {}", uris.front(), cluster.trust_domain);
  if (!same_name(id->datacenter, cluster.datacenter))
    return error(Code::Unauthenticated, "{} is of another datacenter than {}; datacenters cannot be joined yet",
                 uris.front(), cluster.datacenter);
  return id;
}

std::string trust_domain(std::string_view cluster_id, std::string_view domain) {
  return fold_name(fmt::format("{}.{}", cluster_id, domain));
}

std::string service_sni(std::string_view service, std::string_view datacenter, std::string_view trust_domain) {
  return fold_name(fmt::format("{}.{}.{}", service, datacenter, trust_domain));
}

std::string server_sni(std::string_view datacenter, std::string_view trust_domain) {
  return service_sni("server", datacenter, trust_domain);
}

std::string node_dns_name(std::string_view node_id, std::string_view datacenter, std::string_view trust_domain) {
  return fold_name(fmt::format("{}.node.{}.{}", node_id, datacenter, trust_domain));
}

std::string node_in(std::span<const std::string> dns_names, const ClusterName& cluster) {
  const std::string end = node_dns_name({}, cluster.datacenter, cluster.trust_domain);
  for (const std::string& name : dns_names)
    if (name.ends_with(end) && Uuid::parse(name.substr(0, name.size() - end.size())).ok()) return name.substr(0, name.size() - end.size());
  return {};
}

Result<Sni> parse_sni(std::string_view name) {
  std::string folded = fold_name(name.substr(0, kDnsNameMax + 2));
  if (folded.ends_with('.')) folded.pop_back();
  const std::size_t first = folded.find('.');
  const std::size_t second = first == std::string::npos ? first : folded.find('.', first + 1);
  if (folded.size() <= kDnsNameMax && second != std::string::npos) {
    Sni sni{folded.substr(0, first), folded.substr(first + 1, second - first - 1), folded.substr(second + 1)};
    if (is_dns_label(sni.service) && is_dns_label(sni.datacenter) && is_trust_domain(sni.trust_domain)) return sni;
  }
  return error(Code::Invalid, "\"{}\" is no server name of a mesh", name.substr(0, kDnsNameMax));
}

}  // namespace mesh::model
