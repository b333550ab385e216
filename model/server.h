// Server: a host that holds the replicated state, as everybody knows it: who it is in Raft, which node it is, and where its
// RPC port is. Agents find the servers by these rows, servers find each other. Plain value; any thread.
#pragma once

#include "base/bytes.h"
#include "base/message.h"
#include "model/ids.h"
#include "model/row.h"

namespace mesh::model {

#define MESH_SERVER_FIELDS(F)                                                                                \
  F(1, std::uint64_t, server_id, "ServerID", "number in the cluster, from 1; never used for another server") \
  F(2, NodeId, node_id, "NodeID", "the host as node and member")                                             \
  F(3, std::string, name, "Name", "of the node when it joined")                                              \
  F(4, std::string, address, "Address", "ADDRESS:PORT of its RPC; empty: it has not told one")               \
  MESH_ROW_FIELDS(F)
struct Server {
  MESH_MESSAGE(Server, MESH_SERVER_FIELDS)
};

// Key of its row: the id, 8 bytes big-endian, so the rows are in order of id.
[[nodiscard]] Bytes server_key(std::uint64_t server_id);

}  // namespace mesh::model
