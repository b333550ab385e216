// LeafPlan: what a certificate is to say, before it is recorded and signed (DESIGN section 5). Pure; any thread.
#pragma once

#include <string>
#include <vector>

#include "base/time.h"
#include "model/authority.h"
#include "model/token.h"
#include "net/tls/certificate.h"

namespace mesh::server {

inline constexpr Duration kLeafLife = hours(7 * 24);
inline constexpr Duration kBackdated = minutes(10);  // for clocks that are behind
inline constexpr std::size_t kSerialBytes = 16;

struct LeafSubject {
  model::NodeId node_id;
  model::JoinKind kind = model::JoinKind::Agent;  // of the node
  std::string service;                            // empty: the node's own certificate
};

struct LeafPlan {
  model::Leaf row;
  Bytes serial;  // the bytes of row.serial
  std::vector<std::string> dns_names;  // a service's SNI and its node's name, a server's SNI; none for an agent
};

// `random`: kSerialBytes random bytes. The certificate ends no later than the root.
[[nodiscard]] LeafPlan plan_leaf(const model::Cluster& cluster, const model::CaRoot& root, const LeafSubject& subject,
                                 ByteView random, WallTime now);

// What a signer is told: the plan, for this key.
[[nodiscard]] net::LeafSpec leaf_spec(const LeafPlan& plan, const net::CsrInfo& request);

// The root that signs; null: none.
[[nodiscard]] const model::CaRoot* active_root(const std::vector<const model::CaRoot*>& roots);

}  // namespace mesh::server
