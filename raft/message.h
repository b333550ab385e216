// The messages between servers. docs/formats/raft-messages.md gives their bytes and meaning field by field.
// Values; any thread. Transport: heartbeats and votes travel on a connection of their own (is_urgent), so that bulk
// data never delays them. The core tolerates loss, duplicates, delay and reordering of any message.
//
// To add a message: the format page first, then a struct and an alternative of MessageBody here, its codec in
// message.cc, a handler file, a line in Node::receive.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/bytes.h"
#include "base/message.h"
#include "base/result.h"
#include "raft/types.h"

namespace mesh::raft {

// A candidate asks for a vote, or (pre) asks whether it would get one. Message::term is the term it wants to lead.
#define MESH_VOTE_REQUEST_FIELDS(F)                                                        \
  F(1, bool, pre, "Pre", "only asks; nothing is promised")                                 \
  F(2, bool, transfer, "Transfer", "the leader wants it: voters answer although they hear one") \
  F(3, LogPosition, last, "Last", "the end of the candidate's log")
struct VoteRequest {
  MESH_MESSAGE(VoteRequest, MESH_VOTE_REQUEST_FIELDS)
};

// Message::term: when granted, the term that was asked for; else the voter's own term.
#define MESH_VOTE_RESPONSE_FIELDS(F)                                                                    \
  F(1, bool, pre, "Pre", "answers a request with pre")                                                  \
  F(2, bool, granted, "Granted", "")                                                                    \
  F(3, Term, asked, "Asked", "the term of the request: an answer to an earlier one counts for nothing")
struct VoteResponse {
  MESH_MESSAGE(VoteResponse, MESH_VOTE_RESPONSE_FIELDS)
};

// Sent by a leader to a follower whose log is damaged: from the moment that the leader saw `nonce` it has forgotten
// what the follower acknowledged before; with everything through `through` the follower is whole again.
#define MESH_REPAIR_FIELDS(F)                                                       \
  F(1, std::uint64_t, nonce, "Nonce", "the follower's, echoed; 0: nothing to repair") \
  F(2, Index, through, "Through", "")
struct Repair {
  MESH_MESSAGE(Repair, MESH_REPAIR_FIELDS)
};

#define MESH_APPEND_REQUEST_FIELDS(F)                                                          \
  F(1, LogPosition, previous, "Previous", "the entry before the first of entries")             \
  F(2, Index, commit, "Commit", "the leader's commit index")                                   \
  F(3, ListOf<Entry>, entries, "Entries", "contiguous from previous.index + 1; none: a probe") \
  F(4, Repair, repair, "Repair", "")
struct AppendRequest {
  MESH_MESSAGE(AppendRequest, MESH_APPEND_REQUEST_FIELDS)
};

#define MESH_APPEND_RESPONSE_FIELDS(F)                                                                      \
  F(1, bool, rejected, "Rejected", "previous is not in the follower's log")                                 \
  F(2, Index, index, "Index", "accepted: durable and equal through here; rejected: previous.index refused") \
  F(3, LogPosition, hint, "Hint", "rejected: the follower's last entry at or below previous in index and term") \
  F(4, std::uint64_t, repair_nonce, "RepairNonce", "not 0: the follower's log is damaged")
struct AppendResponse {
  MESH_MESSAGE(AppendResponse, MESH_APPEND_RESPONSE_FIELDS)
};

#define MESH_HEARTBEAT_FIELDS(F)                                                                              \
  F(1, Index, commit, "Commit", "min(leader's commit, what the follower is known to hold)")                   \
  F(2, std::uint64_t, round, "Round", "grows with each round of this leader; confirms reads and lease when answered") \
  F(3, Repair, repair, "Repair", "")
struct Heartbeat {
  MESH_MESSAGE(Heartbeat, MESH_HEARTBEAT_FIELDS)
};

#define MESH_HEARTBEAT_RESPONSE_FIELDS(F)          \
  F(1, std::uint64_t, round, "Round", "the one answered") \
  F(2, std::uint64_t, repair_nonce, "RepairNonce", "not 0: the follower's log is damaged")
struct HeartbeatResponse {
  MESH_MESSAGE(HeartbeatResponse, MESH_HEARTBEAT_RESPONSE_FIELDS)
};

#define MESH_SNAPSHOT_CHUNK_FIELDS(F)                                                      \
  F(1, std::uint64_t, snapshot, "Snapshot", "id of this transfer, fresh for every attempt") \
  F(2, LogBase, base, "Base", "the same in every chunk of a transfer")                     \
  F(3, std::uint64_t, sequence, "Sequence", "counted from 0")                              \
  F(4, bool, last, "Last", "")                                                             \
  F(5, Bytes, data, "Data", "at most kSnapshotChunkBytesMax", kBytes)                      \
  F(6, std::uint64_t, checksum, "Checksum", "snapshot_checksum(that of the chunk before, data)")
struct SnapshotChunk {
  MESH_MESSAGE(SnapshotChunk, MESH_SNAPSHOT_CHUNK_FIELDS)
};

//   Restart    the transfer is not known, or damaged: begin a new one
//   Continue   chunk `sequence` is stored: send the next
//   Installed  the follower holds everything through `index` durably
#define MESH_SNAPSHOT_PROGRESS(E) E(0, Restart, "restart") E(1, Continue, "continue") E(2, Installed, "installed")
MESH_ENUM(SnapshotProgress, std::uint8_t, MESH_SNAPSHOT_PROGRESS)

#define MESH_SNAPSHOT_RESPONSE_FIELDS(F)               \
  F(1, std::uint64_t, snapshot, "Snapshot", "")        \
  F(2, SnapshotProgress, progress, "Progress", "")     \
  F(3, std::uint64_t, sequence, "Sequence", "Continue: the chunk stored") \
  F(4, Index, index, "Index", "Installed: what the follower holds") \
  F(5, std::uint64_t, repair_nonce, "RepairNonce", "not 0: the follower's log is damaged")
struct SnapshotResponse {
  MESH_MESSAGE(SnapshotResponse, MESH_SNAPSHOT_RESPONSE_FIELDS)
};

// The leader hands over: start an election at once.
#define MESH_TIMEOUT_NOW_FIELDS(F)
struct TimeoutNow {
  MESH_MESSAGE(TimeoutNow, MESH_TIMEOUT_NOW_FIELDS)
};

// A follower asks its leader for a read index on behalf of its own clients.
#define MESH_READ_REQUEST_FIELDS(F) \
  F(1, std::uint64_t, id, "Id", "fresh for every attempt of this follower process")
struct ReadRequest {
  MESH_MESSAGE(ReadRequest, MESH_READ_REQUEST_FIELDS)
};

#define MESH_READ_RESPONSE_FIELDS(F) \
  F(1, std::uint64_t, id, "Id", "of the request") F(2, Index, index, "Index", "read once this is applied")
struct ReadResponse {
  MESH_MESSAGE(ReadResponse, MESH_READ_RESPONSE_FIELDS)
};

using MessageBody = std::variant<VoteRequest, VoteResponse, AppendRequest, AppendResponse, Heartbeat, HeartbeatResponse,
                                 SnapshotChunk, SnapshotResponse, TimeoutNow, ReadRequest, ReadResponse>;

struct Message {
  ServerId from;
  ServerId to;
  Term term;  // of the sender, but see VoteRequest and VoteResponse
  MessageBody body;
  friend bool operator==(const Message&, const Message&) = default;
};

inline constexpr std::uint64_t kSnapshotChunkBytesMax = 1024 * 1024;
// Bound on an encoded message: a full append or chunk and room for its fields. A larger one is refused when decoding.
inline constexpr std::uint64_t kMessageBytesMax = 4 * 1024 * 1024;

// Must not wait behind bulk data: everything but entries and snapshot chunks.
[[nodiscard]] bool is_urgent(const Message& message);

[[nodiscard]] Bytes encode_message(const Message& message);
// Code::Corrupt for bytes that are no message; Code::Unsupported for a version or kind of a later release.
[[nodiscard]] Result<Message> decode_message(ByteView bytes);

// Chained: `previous` is the checksum of the chunk before, 0 for the first.
[[nodiscard]] std::uint64_t snapshot_checksum(std::uint64_t previous, ByteView data);

// One line for logs and transcripts.
[[nodiscard]] std::string describe(const Message& message);

}  // namespace mesh::raft
