#include "gossip/message.h"

#include <fmt/core.h>

#include <algorithm>

#include "base/check.h"
#include "base/wire.h"

namespace mesh::gossip {

MESH_MESSAGE_TABLE(Ping, MESH_PING_FIELDS)
MESH_MESSAGE_TABLE(PingRequest, MESH_PING_REQUEST_FIELDS)
MESH_MESSAGE_TABLE(Answer, MESH_ANSWER_FIELDS)
MESH_MESSAGE_TABLE(Rumor, MESH_RUMOR_FIELDS)
MESH_MESSAGE_TABLE(Packet, MESH_PACKET_FIELDS)
MESH_ENUM_TABLE(StreamKind, MESH_STREAM_KINDS)
MESH_MESSAGE_TABLE(StreamMessage, MESH_STREAM_FIELDS)

namespace {

constexpr std::uint32_t kRumorsField = 6;
constexpr std::size_t kIdBytes = 16;

bool is_id(ByteView bytes) { return bytes.size() == kIdBytes && bytes.find_first_not_of('\0') != ByteView::npos; }

bool is_incarnation(Incarnation incarnation) {
  return incarnation.value() >= 1 && incarnation <= kIncarnationMax;
}

Status check_attributes(ByteView attributes) {
  if (attributes.size() > kAttributesBytesMax)
    return error(Code::Corrupt, "attributes of {} bytes, at most {} are allowed", attributes.size(), kAttributesBytesMax);
  MESH_TRY(decoded, decode<Attributes>(attributes));
  (void)decoded;
  return {};
}

// Whether it says where the member is; alive must, others may (streams).
bool has_details(const Rumor& rumor) { return !rumor.ip.empty(); }

Status check_rumor(const Rumor& rumor) {
  if (!is_id(rumor.id)) return error(Code::Corrupt, "a rumor about no member");
  if (!is_incarnation(rumor.incarnation))
    return error(Code::Corrupt, "incarnation {} of a rumor is out of range", rumor.incarnation.value());
  if (rumor.details_incarnation > rumor.incarnation)
    return error(Code::Corrupt, "details of incarnation {} in a rumor of incarnation {}",
                 rumor.details_incarnation.value(), rumor.incarnation.value());
  if (!rumor.accuser.empty() && !is_id(rumor.accuser)) return error(Code::Corrupt, "an accuser that is no member");
  if (has_details(rumor) || rumor.state == MemberState::Alive) {
    if (!PeerAddress{rumor.ip, rumor.port}.valid()) return error(Code::Corrupt, "a rumor with no address");
  } else if (rumor.port != 0 || !rumor.attributes.empty() || rumor.details_incarnation != Incarnation()) {
    return error(Code::Corrupt, "a rumor with details but no address");
  }
  return check_attributes(rumor.attributes);
}

Status check_rumors(const std::vector<Rumor>& rumors) {
  for (const Rumor& rumor : rumors) MESH_TRY_STATUS(check_rumor(rumor));
  return {};
}

Status check_packet(const Packet& packet) {
  if (!is_id(packet.sender)) return error(Code::Corrupt, "no sender");
  if (packet.ping && !is_id(packet.ping->target)) return error(Code::Corrupt, "a ping of no member");
  if (packet.ack && !is_id(packet.ack->about)) return error(Code::Corrupt, "an ack about no member");
  if (packet.nack && !is_id(packet.nack->about)) return error(Code::Corrupt, "a nack about no member");
  if (const auto& request = packet.ping_request) {
    if (!is_id(request->target) || !PeerAddress{request->ip, request->port}.valid())
      return error(Code::Corrupt, "a ping request for no member");
  }
  return check_rumors(packet.rumors);
}

}  // namespace

Result<Packet> decode_packet(ByteView plain) {
  constexpr DecodeLimits kLimits{.size_max = kPacketBytesMax, .memory_max = 512 * 1024};
  auto packet = decode<Packet>(plain, kLimits).context("while reading a gossip packet");
  if (!packet.ok()) return packet;
  MESH_TRY_STATUS(check_packet(*packet).context("while reading a gossip packet"));
  return packet;
}

Result<StreamMessage> decode_stream_message(ByteView plain) {
  constexpr DecodeLimits kLimits{.size_max = kStreamBytesMax, .memory_max = 4 * kStreamBytesMax};
  auto message = decode<StreamMessage>(plain, kLimits).context("while reading a gossip stream");
  if (!message.ok()) return message;
  if (!is_id(message->sender)) return error(Code::Corrupt, "gossip stream: no sender");
  if (message->kind == StreamKind::Probe && !is_id(message->target))
    return error(Code::Corrupt, "gossip stream: a probe of no member");
  if (message->rumors.size() > kStreamRumorsMax)
    return error(Code::Corrupt, "gossip stream: {} rumors, at most {} are allowed", message->rumors.size(),
                 kStreamRumorsMax);
  MESH_TRY_STATUS(check_rumors(message->rumors).context("while reading a gossip stream"));
  return message;
}

void append_rumor(Bytes& packet, ByteView rumor) {
  WireWriter writer(packet);
  writer.tag(kRumorsField, WireType::Length);
  writer.bytes(rumor);
}

std::size_t rumor_cost(std::size_t rumor_bytes) {
  std::size_t length_bytes = 1;
  for (std::size_t rest = rumor_bytes >> 7; rest != 0; rest >>= 7) ++length_bytes;
  return 1 + length_bytes + rumor_bytes;
}

Bytes id_bytes(const NodeId& id) { return Bytes(id.bytes().begin(), id.bytes().end()); }

NodeId id_of(ByteView bytes) {
  CHECK(bytes.size() == kIdBytes, "an id of {} bytes", bytes.size());
  NodeId::Raw raw{};
  std::copy(bytes.begin(), bytes.end(), raw.begin());
  return NodeId(raw);
}

namespace {

std::string short_id(ByteView bytes) { return to_hex(bytes.substr(bytes.size() > 4 ? bytes.size() - 4 : 0)); }

}  // namespace

std::string describe(const Rumor& rumor) {
  std::string out = fmt::format("{} {} {}", short_id(rumor.id), enum_text(rumor.state), rumor.incarnation.value());
  if (!rumor.accuser.empty()) out += " by " + short_id(rumor.accuser);
  if (rumor.age != 0) out += fmt::format(" for {} s", rumor.age);
  return out;
}

std::string describe(const Packet& packet) {
  std::string out = "from " + short_id(packet.sender);
  if (packet.ping) out += fmt::format(", ping {} {}", packet.ping->sequence, short_id(packet.ping->target));
  if (packet.ping_request)
    out += fmt::format(", please ping {} {}", packet.ping_request->sequence, short_id(packet.ping_request->target));
  if (packet.ack) out += fmt::format(", ack {} {}", packet.ack->sequence, short_id(packet.ack->about));
  if (packet.nack) out += fmt::format(", nack {} {}", packet.nack->sequence, short_id(packet.nack->about));
  for (const Rumor& rumor : packet.rumors) out += ", " + describe(rumor);
  return out;
}

}  // namespace mesh::gossip
