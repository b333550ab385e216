// What one server tells another first when it opens a stream of Raft messages; docs/formats/raft-messages.md, "The stream".
// Values; any thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/message.h"
#include "base/result.h"
#include "raft/types.h"

namespace mesh::server {

// RaftOpening, then encoded raft messages; nothing comes back but the stream's end.
inline constexpr std::string_view kRaftPath = "/mesh.Server/Raft";
inline constexpr std::uint32_t kRaftStreamVersion = 1;
inline constexpr std::size_t kRaftOpeningBytesMax = 1024;

// Urgent: what raft::is_urgent says. Each lane has a connection of its own.
#define MESH_RAFT_LANE_VALUES(E) E(0, Urgent, "urgent") E(1, Bulk, "bulk")
MESH_ENUM(RaftLane, std::uint8_t, MESH_RAFT_LANE_VALUES)
inline constexpr std::size_t kRaftLanes = 2;

#define MESH_RAFT_OPENING_FIELDS(F)                                                            \
  F(1, std::uint32_t, version, "Version", "1")                                                 \
  F(2, std::string, cluster_id, "ClusterID", "")                                               \
  F(3, raft::ServerId, from, "From", "the sender; the only one whose messages follow")         \
  F(4, raft::ServerId, to, "To", "whom it means; another one has its address by now if refused") \
  F(5, std::string, address, "Address", "ADDRESS:PORT of the sender's RPC: where answers go")  \
  F(6, RaftLane, lane, "Lane", "")
struct RaftOpening {
  MESH_MESSAGE(RaftOpening, MESH_RAFT_OPENING_FIELDS)
};

// A peer's bytes. Errors: Invalid (no opening, no address, a server without a number), Unsupported (version).
[[nodiscard]] Result<RaftOpening> read_opening(ByteView bytes);

}  // namespace mesh::server
