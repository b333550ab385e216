// ProxyFeed: makes the data plane's snapshot from what the agent knows. A core: no I/O, no clock. Belongs to the agent loop.
//
// Parts that did not change keep their pointer, so a change costs what it touches: an update without changes is one
// comparison of indexes per service of the mesh, a changed service is built anew alone, routes only when a mesh name
// changed, rules only when an intention or the default did.
//
// Left out, because nothing could dial them: instances whose node has no mesh port or an address that is no IP address
// (local ones are kept), ports of local instances whose declared address is a host name other than localhost.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "agent/local_state.h"
#include "agent/proxy/snapshot.h"
#include "model/catalog.h"

namespace mesh::agent {

struct ProxyFeedInput {
  const model::Catalog& catalog;
  const LocalState& local;
  std::string datacenter;
  std::string trust_domain;
  std::shared_ptr<const proxy::Identities> identities;  // null: none yet
  std::shared_ptr<const proxy::ProcessRules> processes;  // see agent/callers/caller_watch.h; null: none yet
};

// Where the programs of a service with this declared address are dialled: the address, loopback without one. Nothing for a
// host name other than localhost.
[[nodiscard]] std::optional<net::IpAddress> dial_ip(const std::string& declared);

class ProxyFeed {
 public:
  // The snapshot for this input; the one before if nothing changed. Never null.
  [[nodiscard]] proxy::ProxySnapshotPtr update(const ProxyFeedInput& input);

 private:
  void take_routes(const ProxyFeedInput& input, proxy::ProxySnapshot& next);
  void take_endpoints(const ProxyFeedInput& input, proxy::ProxySnapshot& next);
  void take_rules(const ProxyFeedInput& input, proxy::ProxySnapshot& next);
  void take_node_names(const ProxyFeedInput& input, proxy::ProxySnapshot& next);
  void take_removed(const ProxyFeedInput& input, proxy::ProxySnapshot& next);
  void take_local(const ProxyFeedInput& input, proxy::ProxySnapshot& next);

  // What the parts of last_ were made from.
  struct Marks {
    std::uint64_t names = 0;
    std::uint64_t nodes = 0;
    std::uint64_t removals = 0;
    std::uint64_t intentions = 0;
    std::uint64_t cluster = 0;
    std::uint64_t catalog = 0;
    std::uint64_t catalog_hash = 0;
    std::uint64_t local = ~std::uint64_t{0};
  };
  Marks marks_;
  std::unordered_map<std::string, std::uint64_t> service_marks_;  // by folded name
  proxy::ProxySnapshotPtr last_;
};

}  // namespace mesh::agent
