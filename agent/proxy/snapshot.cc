#include "agent/proxy/snapshot.h"

namespace mesh::proxy {

namespace {

template <class T>
std::shared_ptr<const T> empty() {
  return std::make_shared<const T>();
}

}  // namespace

ProxySnapshot::ProxySnapshot()
    : routes(empty<RouteTable>()),
      endpoints(empty<EndpointTable>()),
      instances(empty<LocalInstances>()),
      binds(empty<std::vector<UpstreamBind>>()),
      processes(empty<ProcessRules>()),
      rules(empty<model::IntentionRules>()),
      node_names(empty<NodeNames>()),
      removed(empty<RemovedNodes>()),
      identities(empty<Identities>()) {}

const Route* find_route(const ProxySnapshot& snapshot, const net::Address& mesh) {
  const auto found = snapshot.routes->find(mesh);
  return found == snapshot.routes->end() ? nullptr : &found->second;
}

std::shared_ptr<const ServiceEndpoints> find_endpoints(const ProxySnapshot& snapshot, const std::string& service) {
  const auto found = snapshot.endpoints->find(service);
  return found == snapshot.endpoints->end() ? nullptr : found->second;
}

const LocalInstance* find_instance(const ProxySnapshot& snapshot, std::string_view id) {
  const auto found = snapshot.instances->find(id);
  return found == snapshot.instances->end() ? nullptr : &found->second;
}

const net::Endpoint* find_dial(const LocalInstance& instance, std::string_view port) {
  const auto found = instance.dial.find(port.empty() ? std::string_view(instance.main_port) : port);
  return found == instance.dial.end() ? nullptr : &found->second;
}

std::shared_ptr<const net::TlsIdentity> identity_for(const ProxySnapshot& snapshot, const std::string& source) {
  if (model::is_node_source(source)) return snapshot.identities->node;
  const auto found = snapshot.identities->services.find(source);
  return found == snapshot.identities->services.end() ? nullptr : found->second;
}

model::Decision authorize(const ProxySnapshot& snapshot, std::string_view source, std::string_view destination) {
  return snapshot.rules->decide(source, destination);
}

}  // namespace mesh::proxy
