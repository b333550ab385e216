#include "server/raft_stream.h"

#include "net/address.h"

namespace mesh::server {

MESH_ENUM_TABLE(RaftLane, MESH_RAFT_LANE_VALUES)
MESH_MESSAGE_TABLE(RaftOpening, MESH_RAFT_OPENING_FIELDS)

Result<RaftOpening> read_opening(ByteView bytes) {
  Result<RaftOpening> opening =
      decode<RaftOpening>(bytes, {.size_max = kRaftOpeningBytesMax, .memory_max = 16 * kRaftOpeningBytesMax});
  if (!opening.ok()) return error(Code::Invalid, "a bad opening of a Raft stream: {}", opening.error().message);
  if (opening->version != kRaftStreamVersion) {
    return error(Code::Unsupported, "a Raft stream of version {}; this server speaks {}", opening->version, kRaftStreamVersion);
  }
  if (opening->from == raft::kNoServer || opening->to == raft::kNoServer || opening->from == opening->to) {
    return error(Code::Invalid, "a Raft stream from server {} to server {}", opening->from.value(), opening->to.value());
  }
  const Result<net::Address> address = net::Address::parse(opening->address);
  if (!address.ok()) return error(Code::Invalid, "a Raft stream from no address: {}", address.error().message);
  return opening;
}

}  // namespace mesh::server
