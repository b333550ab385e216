// ProxySnapshot: all that the data plane knows, as one immutable value. The agent loop makes a new one when something
// changed (agent/proxy_feed.h) and publishes it to every worker; a worker holds the newest, a connection holds the parts it
// works with. Nothing here is asked from anybody at the time of a connection, so traffic goes on without servers and
// without the agent loop.
//
// Parts that did not change are shared between snapshots (same pointer), so a worker sees by pointer what changed.
// No pointer in a published snapshot is null but those of identities. Names of services are folded (lower case).
//
// Glossary: route = what a mesh address and port leads to; endpoint = an instance and the mesh port of its host; dial
// address = where the program of a local instance listens. To add something that connections need, start here.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "agent/proxy/process_rules.h"
#include "model/authorize.h"
#include "model/ids.h"
#include "model/names.h"
#include "model/service.h"
#include "net/address.h"

namespace mesh::net {
class TlsIdentity;
class TrustBundle;
}  // namespace mesh::net

namespace mesh::proxy {

struct Route {
  std::string service;
  std::string port;  // its name
  model::Protocol protocol = model::Protocol::Tcp;

  friend bool operator==(const Route&, const Route&) = default;
};
using RouteTable = std::unordered_map<net::Address, Route>;

struct MeshEndpoint {
  model::NodeId node_id;
  std::string instance_id;
  net::Address mesh;         // of the host; for a local one not used
  std::uint32_t weight = 1;  // 0: takes no traffic
  bool healthy = false;
  bool local = false;  // on this node: dialled directly, without TLS

  friend bool operator==(const MeshEndpoint&, const MeshEndpoint&) = default;
};
struct ServiceEndpoints {
  std::string service;
  std::map<std::string, std::vector<MeshEndpoint>, std::less<>> ports;  // by name of the port
};
using EndpointTable = std::unordered_map<std::string, std::shared_ptr<const ServiceEndpoints>>;

struct LocalInstance {
  std::string id;
  std::string service;
  std::map<std::string, net::Endpoint, std::less<>> dial;  // by name of the port; one without an IP address is left out
  std::string main_port;                                   // what an empty port name means

  friend bool operator==(const LocalInstance&, const LocalInstance&) = default;
};
using LocalInstances = std::map<std::string, LocalInstance, model::NameLess>;

// An explicit listener of a local service for one of its upstreams.
struct UpstreamBind {
  net::Endpoint at;
  std::string owner;  // the local service that declared it; others are refused
  Route to;

  friend bool operator==(const UpstreamBind&, const UpstreamBind&) = default;
};

// Certificates of this node. Null: not there (yet).
struct Identities {
  std::unordered_map<std::string, std::shared_ptr<const net::TlsIdentity>> services;  // local ones
  std::shared_ptr<const net::TlsIdentity> node;
  std::shared_ptr<const net::TrustBundle> trust;
};

using NodeNames = std::unordered_map<std::string, std::string>;  // name by node id

using RemovedNodes = std::unordered_set<std::string>;  // ids of nodes whose certificates do not count any more

struct ProxySnapshot {
  std::string datacenter;
  std::string trust_domain;
  model::NodeId node_id;
  std::string node_name;
  std::shared_ptr<const RouteTable> routes;
  std::shared_ptr<const EndpointTable> endpoints;
  std::shared_ptr<const LocalInstances> instances;
  std::shared_ptr<const std::vector<UpstreamBind>> binds;
  std::shared_ptr<const ProcessRules> processes;
  std::shared_ptr<const model::IntentionRules> rules;
  std::shared_ptr<const NodeNames> node_names;
  std::shared_ptr<const RemovedNodes> removed;
  std::shared_ptr<const Identities> identities;

  ProxySnapshot();  // every part empty: no route, nothing allowed
};
using ProxySnapshotPtr = std::shared_ptr<const ProxySnapshot>;

// What an accepted connection to `mesh` leads to; null: nothing.
[[nodiscard]] const Route* find_route(const ProxySnapshot& snapshot, const net::Address& mesh);
// Null: no such service.
[[nodiscard]] std::shared_ptr<const ServiceEndpoints> find_endpoints(const ProxySnapshot& snapshot,
                                                                     const std::string& service);
[[nodiscard]] const LocalInstance* find_instance(const ProxySnapshot& snapshot, std::string_view id);
// Where the instance's port is dialled (empty name: the main one); null: it has none.
[[nodiscard]] const net::Endpoint* find_dial(const LocalInstance& instance, std::string_view port);

// The identity with which a source ("web", "node/host-a") calls; null: there is none yet. A service never calls as its
// node: what intentions say of the service would not hold then.
[[nodiscard]] std::shared_ptr<const net::TlsIdentity> identity_for(const ProxySnapshot& snapshot,
                                                                   const std::string& source);

// May the source call the service? source: as model/authorize.h names it, from a certificate or from the kernel, never
// from what a peer says of itself.
[[nodiscard]] model::Decision authorize(const ProxySnapshot& snapshot, std::string_view source,
                                        std::string_view destination);

}  // namespace mesh::proxy
