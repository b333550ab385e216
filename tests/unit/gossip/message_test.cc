#include <functional>
#include <string>
#include <vector>

#include "gossip/message.h"
#include "tests/test.h"

namespace mesh::gossip {
namespace {

const Bytes kId(16, 'i');

Rumor alive() {
  Rumor out;
  out.id = kId;
  out.incarnation = Incarnation(5);
  out.ip = Bytes("\x0a\0\0\1", 4);
  out.port = 8301;
  Attributes attributes;
  attributes.name = "host-a";
  out.attributes = encode(attributes);
  return out;
}

Packet ping() {
  Packet out;
  out.sender = kId;
  out.ping = Ping{7, kId};
  out.rumors = {alive()};
  return out;
}

TEST_CASE("a packet is what it was after encoding, also when rumors are appended one by one") {
  EXPECT(*decode_packet(encode(ping())) == ping());
  Packet without = ping();
  without.rumors.clear();
  Bytes bytes = encode(without);
  const std::size_t before = bytes.size();
  append_rumor(bytes, encode(alive()));
  EXPECT_EQ(bytes.size() - before, rumor_cost(encode(alive()).size()));
  EXPECT(*decode_packet(bytes) == ping());
}

TEST_CASE("what a correct member cannot send is refused, and says why") {
  struct Row {
    std::string text;
    std::function<void(Packet&)> spoil;
  };
  const std::vector<Row> kWrong = {
      {"no sender", [](Packet& p) { p.sender.clear(); }},
      {"no sender", [](Packet& p) { p.sender = Bytes(16, '\0'); }},
      {"a ping of no member", [](Packet& p) { p.ping->target = "short"; }},
      {"an ack about no member", [](Packet& p) { p.ack = Answer{1, Bytes(17, 'x')}; }},
      {"a nack about no member", [](Packet& p) { p.nack = Answer{1, ""}; }},
      {"a ping request for no member", [](Packet& p) { p.ping_request = PingRequest{1, kId, "abc", 80}; }},
      {"a ping request for no member", [](Packet& p) { p.ping_request = PingRequest{1, kId, "abcd", 0}; }},
      {"a rumor about no member", [](Packet& p) { p.rumors[0].id = ""; }},
      {"out of range", [](Packet& p) { p.rumors[0].incarnation = Incarnation(0); }},
      {"out of range", [](Packet& p) { p.rumors[0].incarnation = kIncarnationMax + 1; }},
      {"details of incarnation 6", [](Packet& p) { p.rumors[0].details_incarnation = Incarnation(6); }},
      {"an accuser that is no member", [](Packet& p) { p.rumors[0].accuser = "me"; }},
      {"a rumor with no address", [](Packet& p) { p.rumors[0].ip = ""; }},
      {"a rumor with no address", [](Packet& p) { p.rumors[0].port = 0; }},
      {"details but no address", [](Packet& p) {
         p.rumors[0].state = MemberState::Failed;
         p.rumors[0].ip = "";
       }},
      {"attributes of 513 bytes", [](Packet& p) { p.rumors[0].attributes = Bytes(513, 'x'); }},
      {"while reading a gossip packet", [](Packet& p) { p.rumors[0].attributes = "\x0a\x7f"; }},
  };
  for (const Row& row : kWrong) {
    Packet packet = ping();
    row.spoil(packet);
    const auto decoded = decode_packet(encode(packet));
    CAPTURE(row.text);
    REQUIRE_FALSE(decoded.ok());
    EXPECT(decoded.error().message.find(row.text) != std::string::npos);
  }
  EXPECT_FALSE(decode_packet("").ok());
  EXPECT_FALSE(decode_packet(encode(ping()).substr(0, 30)).ok());
}

TEST_CASE("a stream message has a sender, a target if it is a probe, and a bounded table") {
  StreamMessage message;
  message.sender = kId;
  message.kind = StreamKind::Exchange;
  message.rumors = {alive()};
  EXPECT(*decode_stream_message(encode(message)) == message);
  message.kind = StreamKind::Probe;
  EXPECT_FALSE(decode_stream_message(encode(message)).ok());
  message.target = kId;
  EXPECT(decode_stream_message(encode(message)).ok());
  message.rumors[0].id = "x";
  EXPECT_FALSE(decode_stream_message(encode(message)).ok());
  message.rumors.assign(kStreamRumorsMax + 1, alive());
  EXPECT_FALSE(decode_stream_message(encode(message)).ok());
  message.sender = "";
  EXPECT_FALSE(decode_stream_message(encode(message)).ok());
}

TEST_CASE("a field that this release does not know passes through in the attributes of a member") {
  Rumor rumor = alive();
  rumor.attributes += Bytes("\xa2\x06\x03new", 6);  // field 100
  Packet packet = ping();
  packet.rumors = {rumor};
  EXPECT_EQ(decode_packet(encode(packet))->rumors[0].attributes, rumor.attributes);
}

}  // namespace
}  // namespace mesh::gossip
