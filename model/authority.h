// The certificate authority and the cluster that it belongs to. Keys of the authority never stand in these rows in
// clear. JSON of roots and leaves is Consul's. Plain values; any thread.
#pragma once

#include "base/message.h"
#include "model/ids.h"
#include "model/intention.h"
#include "model/row.h"

namespace mesh::model {

// The one row that says which cluster this is.
#define MESH_CLUSTER_FIELDS(F)                                                                               \
  F(1, std::string, id, "ID", "UUID for life; also the first label of the trust domain")                     \
  F(2, std::string, datacenter, "Datacenter", "")                                                            \
  F(3, std::string, domain, "Domain", "last label of the trust domain and of DNS names")                     \
  F(4, std::uint64_t, generation, "Generation", "raised by recover and restore")                             \
  F(5, IntentionAction, default_action, "DefaultAction", "for traffic that no intention names, and for the API") \
  F(6, WallTime, created_at, "CreatedAt", "time of the leader", kOutput)                                     \
  F(7, std::uint64_t, last_server_id, "LastServerID", "the highest that any server ever had", kOutput)       \
  MESH_ROW_FIELDS(F)
struct Cluster {
  MESH_MESSAGE(Cluster, MESH_CLUSTER_FIELDS)
};

#define MESH_CA_ROOT_FIELDS(F)                                                                               \
  F(1, std::string, id, "ID", "SHA-256 of the certificate, hex")                                             \
  F(2, std::string, name, "Name", "for people")                                                              \
  F(3, std::string, serial, "SerialNumber", "hex")                                                           \
  F(4, std::string, key_id, "SigningKeyID", "subject key identifier, hex with colons")                       \
  F(5, std::string, trust_domain, "ExternalTrustDomain", "UUID of the cluster")                              \
  F(6, WallTime, not_before, "NotBefore", "")                                                                \
  F(7, WallTime, not_after, "NotAfter", "")                                                                  \
  F(8, std::string, certificate, "RootCert", "PEM")                                                          \
  F(9, bool, active, "Active", "signs new leaves; others are only trusted")                                  \
  MESH_ROW_FIELDS(F)
struct CaRoot {
  MESH_MESSAGE(CaRoot, MESH_CA_ROOT_FIELDS)
};

// A key that only servers hold, sealed: of a root, or of the gossip pool. Servers only, never in a watch stream.
inline constexpr std::string_view kGossipKeyId = "gossip";  // its root_id
#define MESH_SEALED_KEY_FIELDS(F)                                                                            \
  F(1, std::string, root_id, "RootID", "or kGossipKeyId", kHidden)                                                          \
  F(2, std::uint32_t, seal_version, "SealVersion", "how the key file seals", kHidden)                        \
  F(3, Bytes, sealed, "Sealed", "nonce and ciphertext", kBytes | kHidden)                                    \
  MESH_ROW_FIELDS(F)
struct SealedKey {
  MESH_MESSAGE(SealedKey, MESH_SEALED_KEY_FIELDS)
};

// What servers remember of a certificate that they signed, until it expires.
#define MESH_LEAF_FIELDS(F)                                                                                  \
  F(1, std::string, serial, "SerialNumber", "hex")                                                           \
  F(2, NodeId, node_id, "NodeID", "whose agent holds the key")                                               \
  F(3, std::string, service, "Service", "empty: the node's own certificate", kOmitEmpty)                     \
  F(4, std::string, uri, "ServiceURI", "SPIFFE identity")                                                    \
  F(5, WallTime, not_before, "ValidAfter", "")                                                               \
  F(6, WallTime, not_after, "ValidBefore", "")                                                               \
  F(7, std::optional<WallTime>, revoked_at, "RevokedAt", "absent: not revoked")                              \
  MESH_ROW_FIELDS(F)
struct Leaf {
  MESH_MESSAGE(Leaf, MESH_LEAF_FIELDS)
};

}  // namespace mesh::model
