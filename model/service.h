// Services: what a host's owner declares (ServiceDefinition: YAML, HTTP API) and what the catalog holds of it
// (ServiceInstance). Both share most fields, so a field that both have is one line in MESH_SERVICE_SHARED_FIELDS.
// JSON is Consul's agent service and catalog NodeService. Plain values; any thread.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/message.h"
#include "model/check.h"
#include "model/ids.h"
#include "model/row.h"

namespace mesh::model {

#define MESH_PROTOCOL_VALUES(E) E(0, Tcp, "tcp") E(1, Http, "http") E(2, Http2, "http2") E(3, Grpc, "grpc")
MESH_ENUM(Protocol, std::uint8_t, MESH_PROTOCOL_VALUES)

// A port of a service: where the program listens and under which port the service's mesh address answers for it.
#define MESH_SERVICE_PORT_FIELDS(F)                                                                          \
  F(1, std::string, name, "Name", "default main; unique in the service")                                     \
  F(2, std::uint16_t, port, "Port", "where the program listens")                                             \
  F(3, Protocol, protocol, "Protocol", "what is spoken there, never guessed")                                \
  F(4, std::uint16_t, mesh_port, "MeshPort", "at the mesh address; default: the port", kOmitEmpty)
struct ServicePort {
  MESH_MESSAGE(ServicePort, MESH_SERVICE_PORT_FIELDS)
};

#define MESH_WEIGHTS_FIELDS(F)                                                                               \
  F(1, std::uint32_t, passing, "Passing", "share while all checks pass")                                     \
  F(2, std::uint32_t, warning, "Warning", "share while one warns; 0: none")
struct Weights {
  MESH_MESSAGE(Weights, MESH_WEIGHTS_FIELDS)
};

#define MESH_SERVICE_ADDRESS_FIELDS(F)                                                                       \
  F(1, std::string, address, "Address", "IP address or host name", kShorthand)                               \
  F(2, std::uint16_t, port, "Port", "")
struct ServiceAddress {
  MESH_MESSAGE(ServiceAddress, MESH_SERVICE_ADDRESS_FIELDS)
};

// Which local processes are the service. All that is set must hold; nothing set: whatever listens on the port.
#define MESH_PROCESS_MATCH_FIELDS(F)                                                                         \
  F(1, std::string, unit, "Unit", "systemd unit, such as web.service", kOmitEmpty)                           \
  F(2, std::string, cgroup, "Cgroup", "path below the cgroup root", kOmitEmpty)                              \
  F(3, std::string, user, "User", "name or number", kOmitEmpty)                                              \
  F(4, std::string, exe, "Exe", "absolute path of the program", kOmitEmpty)
struct ProcessMatch {
  MESH_MESSAGE(ProcessMatch, MESH_PROCESS_MATCH_FIELDS)
};

// A service that this one calls.
#define MESH_UPSTREAM_FIELDS(F)                                                                              \
  F(1, std::string, name, "Name|DestinationName", "the service called", kShorthand)                          \
  F(2, std::string, bind, "Bind", "address:port or unix socket for this service alone; empty: none", kOmitEmpty) \
  F(3, std::string, port_name, "PortName", "port of that service behind bind; default: its main one", kOmitEmpty) \
  F(4, std::string, datacenter, "Datacenter", "default: the own one", kOmitEmpty)
struct Upstream {
  MESH_MESSAGE(Upstream, MESH_UPSTREAM_FIELDS)
};

#define MESH_SERVICE_SHARED_FIELDS(F)                                                                        \
  F(4, ListOf<std::string>, tags, "Tags", "in the order given")                                              \
  F(5, std::string, address, "Address", "IP address or host name; empty: the node's")                        \
  F(6, std::uint16_t, port, "Port", "the main port; 0: none")                                                \
  F(7, MapOf<ServiceAddress>, tagged_addresses, "TaggedAddresses", "further addresses by name", kOmitEmpty)  \
  F(8, MapOf<std::string>, meta, "Meta", "free pairs")                                                       \
  F(9, Weights, weights, "Weights", "for balancing and SRV records; default 1 and 1")                        \
  F(10, bool, enable_tag_override, "EnableTagOverride", "others may change the tags in the catalog")         \
  F(11, ListOf<ServicePort>, ports, "Ports", "all ports, the main one first", kOmitEmpty)                    \
  F(12, ProcessMatch, process, "Process", "who may act as the service", kOmitEmpty)                          \
  F(13, ListOf<Upstream>, upstreams, "Upstreams", "services that it calls", kOmitEmpty)

// As written by a person or program; read from YAML and from PUT /v1/agent/service/register.
#define MESH_SERVICE_DEFINITION_FIELDS(F)                                                                    \
  F(2, std::string, id, "ID", "unique on the node; default: the name")                                       \
  F(3, std::string, name, "Name|Service", "required")                                                        \
  MESH_SERVICE_SHARED_FIELDS(F)                                                                              \
  F(20, Protocol, protocol, "Protocol", "of the port given by port", kOmitEmpty)                             \
  F(21, std::optional<CheckDefinition>, check, "Check", "one check")                                         \
  F(22, ListOf<CheckDefinition>, checks, "Checks", "further checks")                                         \
  F(23, std::string, token, "Token", "that allows the registration", kOmitEmpty)
struct ServiceDefinition {
  MESH_MESSAGE(ServiceDefinition, MESH_SERVICE_DEFINITION_FIELDS)
};

// A row of the catalog. Invariants (instance_of makes them): id, name and weights are set; port == ports[0].port, or 0
// and no ports; each port has a name and a mesh_port.
#define MESH_SERVICE_INSTANCE_FIELDS(F)                                                                      \
  F(1, NodeId, node_id, "NodeID", "where it runs", kHidden)                                                  \
  F(2, std::string, id, "ID", "unique on its node")                                                          \
  F(3, std::string, name, "Service", "DNS label for use by DNS and mesh; other names in the catalog only")   \
  MESH_SERVICE_SHARED_FIELDS(F)                                                                              \
  MESH_ROW_FIELDS(F)
struct ServiceInstance {
  MESH_MESSAGE(ServiceInstance, MESH_SERVICE_INSTANCE_FIELDS)
  [[nodiscard]] InstanceKey key() const { return {node_id, id}; }
};

inline constexpr std::size_t kServicePortsMax = 64;
inline constexpr std::size_t kServiceTagsMax = 256;
inline constexpr std::size_t kServiceMetaMax = 64;          // pairs, as in Consul
inline constexpr std::size_t kServiceMetaKeyMax = 128;      // bytes
inline constexpr std::size_t kServiceMetaValueMax = 512;    // bytes
inline constexpr std::size_t kServiceAddressMax = 255;     // bytes
inline constexpr std::size_t kServiceUpstreamsMax = 256;
inline constexpr std::size_t kServiceChecksMax = 64;

// All that is wrong with a definition, each fault as one sentence that names the field; empty: it can be registered.
[[nodiscard]] std::vector<std::string> service_definition_faults(const ServiceDefinition& definition);

// REQUIRES no faults. The row with all defaults filled in (indexes 0).
[[nodiscard]] ServiceInstance instance_of(const ServiceDefinition& definition, const NodeId& node_id);
// REQUIRES no faults. All its checks with ids, names and service id filled in, in order.
[[nodiscard]] std::vector<CheckDefinition> checks_of(const ServiceDefinition& definition);

// The name of the main port when nobody gives one.
inline constexpr std::string_view kMainPort = "main";
// Where the mesh address answers for the port: mesh_port, by default the port itself.
[[nodiscard]] std::uint16_t mesh_port_of(const ServicePort& port);
// The port of that name (empty: the main one); null if there is none. Borrowed from the instance.
[[nodiscard]] const ServicePort* find_port(const ServiceInstance& instance, std::string_view name = {});

}  // namespace mesh::model
