// The messages between members, before sealing. docs/formats/gossip.md gives their bytes and meaning field by field.
// Values; any thread. Decoding refuses whatever a correct member cannot send: ids, addresses, incarnations and attributes
// in a decoded message are valid.
//
// To add a message: the format page first, then a table here, a field of Packet, its handler in gossip/node.h.
#pragma once

#include <optional>
#include <string>

#include "base/message.h"
#include "base/result.h"
#include "gossip/types.h"

namespace mesh::gossip {

#define MESH_PING_FIELDS(F)                         \
  F(1, std::uint32_t, sequence, "Sequence", "")     \
  F(2, std::string, target, "Target", "", kBytes)
struct Ping {
  MESH_MESSAGE(Ping, MESH_PING_FIELDS)
};

#define MESH_PING_REQUEST_FIELDS(F)                 \
  F(1, std::uint32_t, sequence, "Sequence", "")     \
  F(2, std::string, target, "Target", "", kBytes)   \
  F(3, std::string, ip, "Ip", "", kBytes)           \
  F(4, std::uint16_t, port, "Port", "")
struct PingRequest {
  MESH_MESSAGE(PingRequest, MESH_PING_REQUEST_FIELDS)
};

// Ack and Nack.
#define MESH_ANSWER_FIELDS(F)                       \
  F(1, std::uint32_t, sequence, "Sequence", "")     \
  F(2, std::string, about, "About", "", kBytes)
struct Answer {
  MESH_MESSAGE(Answer, MESH_ANSWER_FIELDS)
};

#define MESH_RUMOR_FIELDS(F)                                                        \
  F(1, std::string, id, "Id", "the member spoken of", kBytes)                       \
  F(2, Incarnation, incarnation, "Incarnation", "")                                 \
  F(3, MemberState, state, "State", "")                                             \
  F(4, std::string, accuser, "Accuser", "suspect, failed", kBytes)                  \
  F(5, std::string, ip, "Ip", "4 or 16 bytes", kBytes)                              \
  F(6, std::uint16_t, port, "Port", "")                                             \
  F(7, std::string, attributes, "Attributes", "encoded, passed on as it is", kBytes) \
  F(8, std::uint32_t, age, "Age", "streams: seconds since it failed or left")       \
  F(9, Incarnation, details_incarnation, "DetailsIncarnation", "of ip, port, attributes; 0: the same")
struct Rumor {
  MESH_MESSAGE(Rumor, MESH_RUMOR_FIELDS)
};

#define MESH_PACKET_FIELDS(F)                                       \
  F(1, std::string, sender, "Sender", "", kBytes)                   \
  F(2, std::optional<Ping>, ping, "Ping", "")                       \
  F(3, std::optional<PingRequest>, ping_request, "PingRequest", "") \
  F(4, std::optional<Answer>, ack, "Ack", "")                       \
  F(5, std::optional<Answer>, nack, "Nack", "")                     \
  F(6, ListOf<Rumor>, rumors, "Rumors", "")
struct Packet {
  MESH_MESSAGE(Packet, MESH_PACKET_FIELDS)
};

#define MESH_STREAM_KINDS(E) E(0, Probe, "probe") E(1, Exchange, "exchange")
MESH_ENUM(StreamKind, std::uint8_t, MESH_STREAM_KINDS)

#define MESH_STREAM_FIELDS(F)                              \
  F(1, std::string, sender, "Sender", "", kBytes)          \
  F(2, StreamKind, kind, "Kind", "")                       \
  F(3, std::string, target, "Target", "probe: who is meant", kBytes) \
  F(4, ListOf<Rumor>, rumors, "Rumors", "exchange: the whole table")
struct StreamMessage {
  MESH_MESSAGE(StreamMessage, MESH_STREAM_FIELDS)
};

inline constexpr std::size_t kPacketBytesMax = 1400;  // sealed, as a datagram
inline constexpr std::size_t kStreamBytesMax = 16 * 1024 * 1024;
inline constexpr std::size_t kStreamRumorsMax = 40'000;

// Code::Corrupt, with what is wrong.
[[nodiscard]] Result<Packet> decode_packet(ByteView plain);
[[nodiscard]] Result<StreamMessage> decode_stream_message(ByteView plain);

// Adds one encoded rumor to an encoded packet; rumor_cost() tells how many bytes that takes.
void append_rumor(Bytes& packet, ByteView rumor);
[[nodiscard]] std::size_t rumor_cost(std::size_t rumor_bytes);

[[nodiscard]] Bytes id_bytes(const NodeId& id);
// REQUIRES bytes of a decoded message: 16 of them.
[[nodiscard]] NodeId id_of(ByteView bytes);

// One line each, for traces and tests.
[[nodiscard]] std::string describe(const Rumor& rumor);
[[nodiscard]] std::string describe(const Packet& packet);

}  // namespace mesh::gossip
