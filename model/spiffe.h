// Names of identities: SPIFFE ids in Consul's form, and the server names (SNI) that go with them.
//
//   service  spiffe://<trust domain>/ns/default/dc/<dc>/svc/<service>
//   agent    spiffe://<trust domain>/agent/client/dc/<dc>/id/<node id>
//   server   spiffe://<trust domain>/agent/server/dc/<dc>/id/<node id>
//
// The trust domain is <cluster uuid>.<domain>. Each identity has exactly one spelling, in lower case: what formats folds,
// what parses refuses anything else, so that ids may be compared as text. Pure functions; any thread.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "base/result.h"

namespace mesh::model {

struct SpiffeId {
  enum class Kind { Service, Agent, Server };
  Kind kind = Kind::Service;
  std::string trust_domain;
  std::string datacenter;
  std::string name;  // of the service, or the node id (a UUID)

  // Errors: Invalid, with the text in the message.
  [[nodiscard]] static Result<SpiffeId> parse(std::string_view uri);
  // REQUIRES valid parts: a service is a mesh name (is_mesh_name), a node id a UUID, the datacenter a DNS label.
  [[nodiscard]] std::string uri() const;

  friend bool operator==(const SpiffeId&, const SpiffeId&) = default;
};

// What the identities of one cluster have in common. The datacenter in any case.
struct ClusterName {
  std::string trust_domain;
  std::string datacenter;
};

// The identity in a certificate with these URIs. Errors: Unauthenticated, with what is wrong: not exactly one URI (SPIFFE
// X.509-SVID, section 2), not a mesh's, of another trust domain or datacenter.
[[nodiscard]] Result<SpiffeId> identity_in(std::span<const std::string> uris, const ClusterName& cluster);

[[nodiscard]] std::string trust_domain(std::string_view cluster_id, std::string_view domain);

// <service>.<dc>.<trust domain>: what a caller asks for at the mesh port of the service's host; also a DNS name in the
// service's leaf.
[[nodiscard]] std::string service_sni(std::string_view service, std::string_view datacenter, std::string_view trust_domain);
// server.<dc>.<trust domain>: every server's name at its RPC port. A service of that name may have the same SNI, at
// another port; whoever calls a server therefore demands a SpiffeId of kind Server as well.
[[nodiscard]] std::string server_sni(std::string_view datacenter, std::string_view trust_domain);

// <node id>.node.<dc>.<trust domain>: a DNS name in every leaf of that node, so that a peer's node can be told also where it
// calls as a service. Never a server name: nothing answers to it.
[[nodiscard]] std::string node_dns_name(std::string_view node_id, std::string_view datacenter, std::string_view trust_domain);
// The node id in the names of a certificate; empty: none of them is such a name of this cluster.
[[nodiscard]] std::string node_in(std::span<const std::string> dns_names, const ClusterName& cluster);

struct Sni {
  std::string service;  // "server" for a server
  std::string datacenter;
  std::string trust_domain;

  friend bool operator==(const Sni&, const Sni&) = default;
};
// Any case, one trailing dot allowed. Errors: Invalid (not of that form).
[[nodiscard]] Result<Sni> parse_sni(std::string_view name);

}  // namespace mesh::model
