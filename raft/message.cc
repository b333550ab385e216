#include "raft/message.h"

#include <fmt/core.h>

#include <optional>
#include <string>
#include <utility>

#include "base/hash.h"
#include "base/wire.h"

namespace mesh::raft {

MESH_MESSAGE_TABLE(VoteRequest, MESH_VOTE_REQUEST_FIELDS)
MESH_MESSAGE_TABLE(VoteResponse, MESH_VOTE_RESPONSE_FIELDS)
MESH_MESSAGE_TABLE(Repair, MESH_REPAIR_FIELDS)
MESH_MESSAGE_TABLE(AppendRequest, MESH_APPEND_REQUEST_FIELDS)
MESH_MESSAGE_TABLE(AppendResponse, MESH_APPEND_RESPONSE_FIELDS)
MESH_MESSAGE_TABLE(Heartbeat, MESH_HEARTBEAT_FIELDS)
MESH_MESSAGE_TABLE(HeartbeatResponse, MESH_HEARTBEAT_RESPONSE_FIELDS)
MESH_MESSAGE_TABLE(SnapshotChunk, MESH_SNAPSHOT_CHUNK_FIELDS)
MESH_ENUM_TABLE(SnapshotProgress, MESH_SNAPSHOT_PROGRESS)
MESH_MESSAGE_TABLE(SnapshotResponse, MESH_SNAPSHOT_RESPONSE_FIELDS)
MESH_MESSAGE_TABLE(ReadRequest, MESH_READ_REQUEST_FIELDS)
MESH_MESSAGE_TABLE(ReadResponse, MESH_READ_RESPONSE_FIELDS)

const MessageTable& TimeoutNow::table() {
  static constexpr MessageTable kTable{"TimeoutNow", {}};
  return kTable;
}
bool operator==(const TimeoutNow&, const TimeoutNow&) { return true; }

namespace {

constexpr char kMessageVersion = 1;

// The bodies, in the order of MessageBody; the number of the first is kFirstBody.
#define MESH_ENVELOPE_BODIES(F)                                                             \
  F(4, std::optional<VoteRequest>, vote_request, "VoteRequest", "")                         \
  F(5, std::optional<VoteResponse>, vote_response, "VoteResponse", "")                      \
  F(6, std::optional<AppendRequest>, append_request, "AppendRequest", "")                   \
  F(7, std::optional<AppendResponse>, append_response, "AppendResponse", "")                \
  F(8, std::optional<Heartbeat>, heartbeat, "Heartbeat", "")                                \
  F(9, std::optional<HeartbeatResponse>, heartbeat_response, "HeartbeatResponse", "")       \
  F(10, std::optional<SnapshotChunk>, snapshot_chunk, "SnapshotChunk", "")                  \
  F(11, std::optional<SnapshotResponse>, snapshot_response, "SnapshotResponse", "")         \
  F(12, std::optional<TimeoutNow>, timeout_now, "TimeoutNow", "")                           \
  F(13, std::optional<ReadRequest>, read_request, "ReadRequest", "")                        \
  F(14, std::optional<ReadResponse>, read_response, "ReadResponse", "")
#define MESH_ENVELOPE_HEAD(F)            \
  F(1, ServerId, from, "From", "sender") \
  F(2, ServerId, to, "To", "receiver")   \
  F(3, Term, term, "Term", "of the sender, but see VoteRequest and VoteResponse")
#define MESH_ENVELOPE_FIELDS(F) MESH_ENVELOPE_HEAD(F) MESH_ENVELOPE_BODIES(F)

constexpr std::uint32_t kFirstBody = 4;

struct EnvelopeHead {
  MESH_MESSAGE(EnvelopeHead, MESH_ENVELOPE_HEAD)
};
MESH_MESSAGE_TABLE(EnvelopeHead, MESH_ENVELOPE_HEAD)

struct Envelope {
  MESH_MESSAGE(Envelope, MESH_ENVELOPE_FIELDS)
};
MESH_MESSAGE_TABLE(Envelope, MESH_ENVELOPE_FIELDS)

// Moves the only body into `out`; false if there is not exactly one.
bool take_body(Envelope& envelope, MessageBody& out) {
  int found = 0;
#define MESH_TAKE_BODY(number, type, member, ...) \
  if (envelope.member) {                          \
    ++found;                                      \
    out = std::move(*envelope.member);            \
  }
  MESH_ENVELOPE_BODIES(MESH_TAKE_BODY)
#undef MESH_TAKE_BODY
  return found == 1;
}

}  // namespace

bool is_urgent(const Message& message) {
  if (const auto* append = std::get_if<AppendRequest>(&message.body)) return append->entries.empty();
  return !std::holds_alternative<SnapshotChunk>(message.body);
}

Bytes encode_message(const Message& message) {
  Bytes out(1, kMessageVersion);
  encode_to(out, EnvelopeHead{message.from, message.to, message.term});
  WireWriter writer(out);
  writer.tag(kFirstBody + static_cast<std::uint32_t>(message.body.index()), WireType::Length);
  const std::size_t mark = writer.begin();
  std::visit([&](const auto& body) { encode_to(out, body); }, message.body);
  writer.end(mark);
  return out;
}

Result<Message> decode_message(ByteView bytes) {
  if (bytes.empty()) return error(Code::Corrupt, "raft message: empty");
  if (bytes.size() > kMessageBytesMax)
    return error(Code::Corrupt, "raft message: {} bytes, at most {} are allowed", bytes.size(), kMessageBytesMax);
  if (bytes.front() != kMessageVersion)
    return error(Code::Unsupported, "raft message: version {}", static_cast<int>(bytes.front()));
  bytes.remove_prefix(1);
  constexpr DecodeLimits kLimits{.size_max = kMessageBytesMax, .memory_max = 16 * kMessageBytesMax};
  auto envelope = decode<Envelope>(bytes, kLimits).context("while reading a raft message");
  if (!envelope.ok()) return std::move(envelope).error();
  Message message{envelope->from, envelope->to, envelope->term, {}};
  if (!take_body(*envelope, message.body)) return error(Code::Unsupported, "raft message: no body that is known, or two");
  return message;
}

std::uint64_t snapshot_checksum(std::uint64_t previous, ByteView data) { return xxh3_64(data, previous); }

}  // namespace mesh::raft
