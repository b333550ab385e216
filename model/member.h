// Member: a host that was admitted to the cluster, as servers remember it: the node's key and what it may run. Servers
// only; agents know nodes (model/node.h) instead. Plain value; any thread.
#pragma once

#include "base/message.h"
#include "model/ids.h"
#include "model/row.h"
#include "model/token.h"

namespace mesh::model {

#define MESH_MEMBER_FIELDS(F)                                                                                \
  F(1, NodeId, node_id, "NodeID", "UUID, bound to the key")                                                  \
  F(2, JoinKind, kind, "Kind", "")                                                                           \
  F(3, std::string, name, "Name", "of the node; no two members that are not revoked have the same")          \
  F(4, Bytes, key_hash, "KeyHash", "SHA-256 of the node's public key (SPKI)", kBytes)                        \
  F(5, ListOf<std::string>, services, "Services", "name patterns that the node may run")                     \
  F(6, std::string, token_id, "TokenID", "of the join token that admitted it; empty: the first server", kOmitEmpty) \
  F(7, WallTime, joined_at, "JoinedAt", "command time", kOutput)                                             \
  F(8, std::optional<WallTime>, revoked_at, "RevokedAt", "absent: not revoked")                              \
  MESH_ROW_FIELDS(F)
struct Member {
  MESH_MESSAGE(Member, MESH_MEMBER_FIELDS)
};

}  // namespace mesh::model
