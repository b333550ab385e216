#include "agent/proxy_feed.h"

#include "model/names.h"

namespace mesh::agent {

namespace {

using proxy::EndpointTable;
using proxy::LocalInstance;
using proxy::MeshEndpoint;
using proxy::NodeNames;
using proxy::Route;
using proxy::RouteTable;
using proxy::ServiceEndpoints;
using proxy::UpstreamBind;

// Keeps the old pointer if the new value is equal.
template <class T>
void assign(std::shared_ptr<const T>& part, T value) {
  if (!(*part == value)) part = std::make_shared<const T>(std::move(value));
}

std::uint32_t weight_of(const model::InstanceView& view) {
  switch (view.status) {
    case model::CheckStatus::Passing: return view.instance->weights.passing;
    case model::CheckStatus::Warning: return view.instance->weights.warning;
    case model::CheckStatus::Critical: break;
  }
  return 0;
}

std::optional<MeshEndpoint> endpoint_of(const model::InstanceView& view, const model::NodeId& own) {
  const bool local = view.node->id == own;
  const auto ip = net::IpAddress::parse(view.node->address);
  if (!local && (!ip.ok() || view.node->mesh_port == 0)) return std::nullopt;
  MeshEndpoint endpoint;
  endpoint.node_id = view.node->id;
  endpoint.instance_id = view.instance->id;
  if (ip.ok()) endpoint.mesh = net::Address{*ip, view.node->mesh_port};
  endpoint.weight = weight_of(view);
  endpoint.healthy = view.status != model::CheckStatus::Critical && endpoint.weight != 0;
  endpoint.local = local;
  return endpoint;
}

std::shared_ptr<const ServiceEndpoints> endpoints_of(const model::Catalog& catalog, const std::string& service,
                                                     const model::NodeId& own) {
  auto made = std::make_shared<ServiceEndpoints>();
  made->service = service;
  for (const model::InstanceView& view : catalog.instances_of(service)) {
    const auto endpoint = endpoint_of(view, own);
    if (!endpoint || view.instance->ports.empty()) continue;
    made->ports[{}].push_back(*endpoint);  // no name: each instance's main port
    for (const model::ServicePort& port : view.instance->ports) made->ports[port.name].push_back(*endpoint);
  }
  return made;
}

LocalInstance instance_of(const model::ServiceInstance& row) {
  LocalInstance instance{.id = row.id, .service = model::fold_name(row.name), .dial = {}, .main_port = {}};
  if (!row.ports.empty()) instance.main_port = row.ports.front().name;
  if (const auto ip = dial_ip(row.address))
    for (const model::ServicePort& port : row.ports) instance.dial.emplace(port.name, net::Endpoint(*ip, port.port));
  return instance;
}

std::optional<UpstreamBind> bind_of(const model::ServiceInstance& owner, const model::Upstream& upstream,
                                    const std::string& datacenter) {
  if (upstream.bind.empty() || (!upstream.datacenter.empty() && upstream.datacenter != datacenter))
    return std::nullopt;
  const auto at = upstream.bind.starts_with('/') ? net::Endpoint::parse("unix:" + upstream.bind)
                                                 : net::Endpoint::parse(upstream.bind);
  if (!at.ok()) return std::nullopt;
  return UpstreamBind{*at, model::fold_name(owner.name),
                      Route{model::fold_name(upstream.name), upstream.port_name, model::Protocol::Tcp}};
}

bool same_parts(const proxy::ProxySnapshot& a, const proxy::ProxySnapshot& b) {
  return a.datacenter == b.datacenter && a.trust_domain == b.trust_domain && a.node_id == b.node_id &&
         a.node_name == b.node_name && a.routes == b.routes && a.endpoints == b.endpoints &&
         a.instances == b.instances && a.binds == b.binds && a.processes == b.processes && a.rules == b.rules &&
         a.node_names == b.node_names && a.removed == b.removed && a.identities == b.identities;
}

}  // namespace

std::optional<net::IpAddress> dial_ip(const std::string& declared) {
  if (declared.empty() || model::same_name(declared, "localhost")) return net::IpAddress::loopback();
  const auto ip = net::IpAddress::parse(declared);
  return ip.ok() ? std::optional(*ip) : std::nullopt;
}

proxy::ProxySnapshotPtr ProxyFeed::update(const ProxyFeedInput& input) {
  if (input.catalog.index() < marks_.catalog) *this = ProxyFeed{};  // another catalog: nothing can be compared
  proxy::ProxySnapshot next = last_ ? *last_ : proxy::ProxySnapshot{};
  next.datacenter = input.datacenter;
  next.trust_domain = input.trust_domain;
  next.node_id = input.local.node().id;
  next.node_name = input.local.node().name;
  take_routes(input, next);
  take_endpoints(input, next);
  take_rules(input, next);
  take_node_names(input, next);
  take_removed(input, next);
  take_local(input, next);
  if (input.processes != nullptr) next.processes = input.processes;
  if (input.identities != nullptr) next.identities = input.identities;
  marks_.catalog = input.catalog.index();
  if (last_ == nullptr || !same_parts(*last_, next)) last_ = std::make_shared<const proxy::ProxySnapshot>(std::move(next));
  return last_;
}

void ProxyFeed::take_routes(const ProxyFeedInput& input, proxy::ProxySnapshot& next) {
  const std::uint64_t index = input.catalog.mesh_names_index();
  if (last_ != nullptr && marks_.names == index) return;
  marks_.names = index;
  RouteTable routes;
  for (const model::Name* name : input.catalog.mesh_names()) {
    const auto ip = net::IpAddress::parse(name->address);
    if (!ip.ok()) continue;
    for (const model::NamePort& port : name->ports)
      routes.insert_or_assign(net::Address{*ip, port.mesh_port},
                              Route{model::fold_name(name->service), port.name, port.protocol});
  }
  assign(next.routes, std::move(routes));
}

void ProxyFeed::take_endpoints(const ProxyFeedInput& input, proxy::ProxySnapshot& next) {
  if (last_ != nullptr && marks_.catalog_hash == input.catalog.hash()) return;  // heartbeats bring views, too
  marks_.catalog_hash = input.catalog.hash();
  EndpointTable table;
  std::unordered_map<std::string, std::uint64_t> marks;
  bool changed = false;
  for (const model::Name* name : input.catalog.mesh_names()) {
    const std::string service = model::fold_name(name->service);
    const std::uint64_t index = input.catalog.service_health_index(service);
    const auto mark = service_marks_.find(service);
    const bool same = mark != service_marks_.end() && mark->second == index;
    changed = changed || !same;
    table[service] = same ? next.endpoints->at(service) : endpoints_of(input.catalog, service, next.node_id);
    marks[service] = index;
  }
  if (!changed && marks.size() == service_marks_.size()) return;
  service_marks_ = std::move(marks);
  next.endpoints = std::make_shared<const EndpointTable>(std::move(table));
}

void ProxyFeed::take_rules(const ProxyFeedInput& input, proxy::ProxySnapshot& next) {
  const std::uint64_t intentions = input.catalog.intentions_index();
  const std::uint64_t cluster = input.catalog.cluster_index();
  if (last_ != nullptr && marks_.intentions == intentions && marks_.cluster == cluster) return;
  marks_.intentions = intentions;
  marks_.cluster = cluster;
  next.rules = std::make_shared<const model::IntentionRules>(input.catalog.intentions(), input.catalog.default_action());
}

void ProxyFeed::take_node_names(const ProxyFeedInput& input, proxy::ProxySnapshot& next) {
  const std::uint64_t index = input.catalog.nodes_index();
  if (last_ != nullptr && marks_.nodes == index) return;
  marks_.nodes = index;
  NodeNames names;
  for (const model::Node* node : input.catalog.nodes()) names.emplace(node->id.text(), node->name);
  assign(next.node_names, std::move(names));
}

void ProxyFeed::take_removed(const ProxyFeedInput& input, proxy::ProxySnapshot& next) {
  const std::uint64_t index = input.catalog.removals_index();
  if (last_ != nullptr && marks_.removals == index) return;
  marks_.removals = index;
  proxy::RemovedNodes removed;
  for (const model::Removal* row : input.catalog.removals()) removed.insert(row->node_id.text());
  assign(next.removed, std::move(removed));
}

void ProxyFeed::take_local(const ProxyFeedInput& input, proxy::ProxySnapshot& next) {
  if (last_ != nullptr && marks_.local == input.local.revision()) return;
  marks_.local = input.local.revision();
  proxy::LocalInstances instances;
  std::vector<UpstreamBind> binds;
  for (const auto& [id, service] : input.local.services()) {
    instances.emplace(id, instance_of(service.instance));
    for (const model::Upstream& upstream : service.instance.upstreams)
      if (auto bind = bind_of(service.instance, upstream, input.datacenter)) binds.push_back(std::move(*bind));
  }
  assign(next.instances, std::move(instances));
  assign(next.binds, std::move(binds));
}

}  // namespace mesh::agent
