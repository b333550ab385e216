#include "server/leaf_plan.h"

#include <algorithm>

#include "base/bytes.h"
#include "base/check.h"
#include "model/spiffe.h"

namespace mesh::server {

namespace {

using Kind = model::SpiffeId::Kind;

Kind kind_of(const LeafSubject& subject) {
  if (!subject.service.empty()) return Kind::Service;
  return subject.kind == model::JoinKind::Server ? Kind::Server : Kind::Agent;
}

std::vector<std::string> names_of(const model::SpiffeId& id, const LeafSubject& subject) {
  switch (id.kind) {
    case Kind::Service:
      return {model::service_sni(id.name, id.datacenter, id.trust_domain),
              model::node_dns_name(subject.node_id.text(), id.datacenter, id.trust_domain)};
    case Kind::Server:
      return {model::server_sni(id.datacenter, id.trust_domain)};
    case Kind::Agent:
      break;
  }
  return {};
}

// Not zero, not negative, no leading zero byte, which an encoder would drop (RFC 5280, section 4.1.2.2).
Bytes serial_from(ByteView random) {
  CHECK(random.size() == kSerialBytes, "a serial is made of {} bytes", kSerialBytes);
  Bytes serial(random);
  serial[0] = static_cast<char>((static_cast<unsigned char>(serial[0]) & 0x3f) | 0x40);
  return serial;
}

}  // namespace

LeafPlan plan_leaf(const model::Cluster& cluster, const model::CaRoot& root, const LeafSubject& subject, ByteView random,
                   WallTime now) {
  const Kind kind = kind_of(subject);
  const model::SpiffeId id{kind, model::trust_domain(cluster.id, cluster.domain), cluster.datacenter,
                           kind == Kind::Service ? subject.service : subject.node_id.text()};
  LeafPlan plan;
  plan.serial = serial_from(random);
  plan.row.serial = to_hex(plan.serial);
  plan.row.node_id = subject.node_id;
  plan.row.service = subject.service;
  plan.row.uri = id.uri();
  // Whole seconds, as certificates have them.
  plan.row.not_before = std::chrono::floor<seconds>(now - kBackdated);
  plan.row.not_after = std::min(WallTime(std::chrono::floor<seconds>(now + kLeafLife)), root.not_after);
  plan.dns_names = names_of(id, subject);
  return plan;
}

net::LeafSpec leaf_spec(const LeafPlan& plan, const net::CsrInfo& request) {
  net::LeafSpec spec;
  spec.public_key = request.public_key;
  spec.uri = plan.row.uri;
  spec.dns_names = plan.dns_names;
  spec.serial = plan.serial;
  spec.validity = {plan.row.not_before, plan.row.not_after};
  return spec;
}

const model::CaRoot* active_root(const std::vector<const model::CaRoot*>& roots) {
  const auto found = std::find_if(roots.begin(), roots.end(), [](const model::CaRoot* root) { return root->active; });
  return found == roots.end() ? nullptr : *found;
}

}  // namespace mesh::server
