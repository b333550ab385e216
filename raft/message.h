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
#include "base/result.h"
#include "raft/types.h"

namespace mesh::raft {

// A candidate asks for a vote, or (pre) asks whether it would get one. Message::term is the term it wants to lead.
struct VoteRequest {
  bool pre = false;
  bool transfer = false;  // the leader asked for this election: voters answer although they hear a leader
  LogPosition last;       // the end of the candidate's log
  friend bool operator==(const VoteRequest&, const VoteRequest&) = default;
};

// Message::term: when granted, the term that was asked for; else the voter's own term.
struct VoteResponse {
  bool pre = false;
  bool granted = false;
  friend bool operator==(const VoteResponse&, const VoteResponse&) = default;
};

// Sent by a leader to a follower whose log is damaged: from the moment that the leader saw `nonce` it has forgotten
// what the follower acknowledged before; with everything through `through` the follower is whole again.
struct Repair {
  std::uint64_t nonce = 0;  // 0: nothing to repair
  Index through;
  friend bool operator==(const Repair&, const Repair&) = default;
};

struct AppendRequest {
  LogPosition previous;        // the entry before the first of `entries`
  Index commit;                // the leader's commit index
  std::vector<Entry> entries;  // contiguous from previous.index + 1; empty: a probe
  Repair repair;
  friend bool operator==(const AppendRequest&, const AppendRequest&) = default;
};

struct AppendResponse {
  bool rejected = false;
  Index index;       // accepted: durable and equal to the leader's log through here; rejected: previous.index refused
  LogPosition hint;  // rejected: the last entry of the follower that may match (index <= refused, term <= refused's)
  std::uint64_t repair_nonce = 0;  // not 0: the follower's log is damaged
  friend bool operator==(const AppendResponse&, const AppendResponse&) = default;
};

struct Heartbeat {
  Index commit;             // min(leader's commit, what the follower is known to hold)
  std::uint64_t round = 0;  // grows with every round of this leader; confirms reads and the lease when answered
  Repair repair;
  friend bool operator==(const Heartbeat&, const Heartbeat&) = default;
};

struct HeartbeatResponse {
  std::uint64_t round = 0;
  std::uint64_t repair_nonce = 0;
  friend bool operator==(const HeartbeatResponse&, const HeartbeatResponse&) = default;
};

struct SnapshotChunk {
  std::uint64_t snapshot = 0;  // id of this transfer, fresh for every attempt
  LogBase base;                // the same in every chunk of a transfer
  std::uint64_t sequence = 0;  // counted from 0
  bool last = false;
  Bytes data;                  // at most kSnapshotChunkBytesMax
  std::uint64_t checksum = 0;  // snapshot_checksum(checksum of the chunk before, data)
  friend bool operator==(const SnapshotChunk&, const SnapshotChunk&) = default;
};

enum class SnapshotProgress : std::uint8_t {
  Continue = 1,   // chunk `sequence` is stored: send the next
  Installed = 2,  // the follower holds everything through `index` durably
  Restart = 3,    // the transfer is not known or damaged: begin a new one
};

struct SnapshotResponse {
  std::uint64_t snapshot = 0;
  SnapshotProgress progress = SnapshotProgress::Restart;
  std::uint64_t sequence = 0;
  Index index;
  std::uint64_t repair_nonce = 0;
  friend bool operator==(const SnapshotResponse&, const SnapshotResponse&) = default;
};

// The leader hands over: start an election at once.
struct TimeoutNow {
  friend bool operator==(const TimeoutNow&, const TimeoutNow&) = default;
};

// A follower asks its leader for a read index on behalf of its own clients.
struct ReadRequest {
  std::uint64_t id = 0;  // fresh for every attempt of this follower process
  friend bool operator==(const ReadRequest&, const ReadRequest&) = default;
};

struct ReadResponse {
  std::uint64_t id = 0;
  Index index;
  friend bool operator==(const ReadResponse&, const ReadResponse&) = default;
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
