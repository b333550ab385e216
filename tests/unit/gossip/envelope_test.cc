#include <memory>
#include <string>

#include "gossip/envelope.h"
#include "tests/sim/sim_sealer.h"
#include "tests/test.h"

namespace mesh::gossip {
namespace {

Uuid uuid(std::uint8_t last) {
  Uuid::Raw raw{};
  raw[15] = last;
  return Uuid(raw);
}

Keyring keys_of(std::initializer_list<std::uint32_t> ids) {
  Keyring out;
  for (const std::uint32_t id : ids) CHECK(out.install(KeyId(id), std::make_shared<sim::SimSealer>(id)).ok(), "install");
  return out;
}

std::shared_ptr<const Seal> seal_of(std::initializer_list<std::uint32_t> ids) {
  return std::make_shared<const Seal>(uuid(1), "dc1", keys_of(ids));
}

Bytes table_of(std::size_t rumors) {
  StreamMessage message;
  message.sender = Bytes(16, 's');
  message.kind = StreamKind::Exchange;
  Rumor rumor;
  rumor.id = Bytes(16, 'i');
  rumor.incarnation = Incarnation(1);
  rumor.ip = "abcd";
  rumor.port = 1;
  message.rumors.assign(rumors, rumor);
  return encode(message);
}

TEST_CASE("a packet opens with the same pool and key only") {
  const Bytes packet = seal_of({1})->seal_packet("hello");
  EXPECT_EQ(packet.size(), 5 + kPacketOverheadBytes);
  EXPECT_EQ(*seal_of({1})->open_packet(packet), "hello");
  EXPECT_EQ(*seal_of({2, 1})->open_packet(packet), "hello");
  EXPECT_EQ(seal_of({2})->open_packet(packet).error().code, Code::NotFound);
  EXPECT_EQ(Seal(uuid(2), "dc1", keys_of({1})).open_packet(packet).error().code, Code::Corrupt);
  EXPECT_EQ(Seal(uuid(1), "dc2", keys_of({1})).open_packet(packet).error().code, Code::Corrupt);
}

TEST_CASE("a packet that is cut, too long, changed or of another version does not open") {
  const auto seal = seal_of({1});
  const Bytes packet = seal->seal_packet("hello");
  for (std::size_t size = 0; size < packet.size(); ++size) EXPECT_FALSE(seal->open_packet(packet.substr(0, size)).ok());
  for (std::size_t i = 0; i < packet.size(); ++i) {
    Bytes changed = packet;
    changed[i] = static_cast<char>(changed[i] ^ 0x10);
    EXPECT_FALSE(seal->open_packet(changed).ok());
  }
  EXPECT_EQ(seal->open_packet('\2' + packet.substr(1)).error().code, Code::Unsupported);
  EXPECT_EQ(seal->open_packet(seal->seal_packet(Bytes(kPacketPlainBytesMax, 'x'))).value().size(), kPacketPlainBytesMax);
  EXPECT_FALSE(seal->open_packet(Bytes(kPacketBytesMax + 1, '\1')).ok());
}

TEST_CASE("a stream of several frames arrives in pieces of any size") {
  const auto seal = seal_of({1});
  const Bytes plain = table_of(5'000);
  const Bytes bytes = seal->seal_stream(uuid(9), Direction::Question, plain);
  REQUIRE(plain.size() > 2 * kFrameBytesMax);
  for (const std::size_t piece : {std::size_t{1}, std::size_t{777}, bytes.size()}) {
    StreamDecoder decoder(seal, Direction::Question, std::nullopt);
    bool whole = false;
    for (std::size_t at = 0; at < bytes.size(); at += piece) {
      REQUIRE_FALSE(whole);
      const auto fed = decoder.feed(ByteView(bytes).substr(at, piece));
      REQUIRE(fed.ok());
      whole = *fed;
    }
    REQUIRE(whole);
    EXPECT(decoder.id() == uuid(9));
    EXPECT_EQ(decoder.take().rumors.size(), 5'000U);
    EXPECT_EQ(decoder.feed("x").error().code, Code::Corrupt);
  }
}

Result<bool> fed(Direction direction, std::optional<StreamId> expected, ByteView bytes) {
  return StreamDecoder(seal_of({1}), direction, expected).feed(bytes);
}

TEST_CASE("frames of another direction, stream or place are refused") {
  const auto seal = seal_of({1});
  const Bytes bytes = seal->seal_stream(uuid(9), Direction::Answer, table_of(1));
  EXPECT(fed(Direction::Answer, uuid(9), bytes).ok());
  EXPECT_FALSE(fed(Direction::Question, std::nullopt, bytes).ok());
  EXPECT_FALSE(fed(Direction::Answer, uuid(8), bytes).ok());
  EXPECT_FALSE(fed(Direction::Answer, uuid(9), bytes + "x").ok());
  EXPECT_EQ(fed(Direction::Answer, uuid(9), '\7' + bytes.substr(1)).error().code, Code::Unsupported);
  EXPECT_EQ(StreamDecoder(seal_of({2}), Direction::Answer, uuid(9)).feed(bytes).error().code, Code::NotFound);

  const Bytes long_bytes = seal->seal_stream(uuid(9), Direction::Answer, table_of(5'000));
  constexpr std::size_t kHead = 1 + 4 + 16;
  constexpr std::size_t kFrame = 4 + kFrameBytesMax;
  EXPECT(fed(Direction::Answer, uuid(9), long_bytes).value());
  EXPECT_FALSE(fed(Direction::Answer, uuid(9), long_bytes.substr(0, kHead + kFrame)).value());
  EXPECT_FALSE(fed(Direction::Answer, uuid(9), long_bytes.substr(0, kHead) + long_bytes.substr(kHead + kFrame)).ok());
  Bytes repeated = long_bytes.substr(0, kHead + kFrame) + long_bytes.substr(kHead);
  EXPECT_FALSE(fed(Direction::Answer, uuid(9), repeated).ok());
  Bytes cut = long_bytes.substr(0, kHead + kFrame);
  cut[kHead + 4] = 1;  // the mark of the last frame
  EXPECT_FALSE(fed(Direction::Answer, uuid(9), cut).ok());
}

TEST_CASE("a peer without the key cannot make the decoder hold more than it reads") {
  const Bytes head = seal_of({1})->seal_stream(uuid(9), Direction::Question, table_of(1)).substr(0, 21);
  Bytes huge = head;
  append_be32(huge, kFrameBytesMax + 1);
  EXPECT_FALSE(fed(Direction::Question, std::nullopt, huge).ok());
  Bytes small = head;
  append_be32(small, 3);
  EXPECT_FALSE(fed(Direction::Question, std::nullopt, small).ok());
}

}  // namespace
}  // namespace mesh::gossip
