#include "agent/proxy/preface.h"

#include "tests/test.h"

namespace mesh::proxy {

namespace {

Bytes frame(std::uint8_t version, std::size_t length, ByteView message) {
  Bytes bytes;
  bytes += static_cast<char>(version);
  bytes += static_cast<char>(length >> 8);
  bytes += static_cast<char>(length & 0xff);
  return bytes.append(message);
}

// The result of reading all of it at once.
template <class Get>
auto read_whole(ByteView data, Get get) -> decltype(get(FrameReader())) {
  FrameReader reader;
  const auto whole = reader.feed(data);
  if (!whole.ok()) return whole.error();
  REQUIRE(*whole);
  return get(reader);
}
Result<Preface> read_preface(ByteView data) {
  return read_whole(data, [](const FrameReader& reader) { return reader.preface(); });
}

}  // namespace

TEST_CASE("a preface and a status come out as they went in, in pieces of any size, and leave the rest alone") {
  const Preface preface{"db-1", "main", "10.0.0.11:51000", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"};
  const PrefaceStatus status{20, "denied", "5a0c"};
  for (std::size_t piece = 1; piece < 200; piece += 7) {
    const Bytes all = encode_preface(preface) + "first bytes";
    FrameReader reader;
    ByteView left = all;
    Bytes rest;
    bool whole = false;
    while (!left.empty()) {
      ByteView part = left.substr(0, piece);
      left.remove_prefix(part.size());
      if (!whole) {
        const auto fed = reader.feed(part);
        REQUIRE(fed.ok());
        whole = *fed;
      }
      if (whole) rest.append(part);
    }
    REQUIRE(whole);
    EXPECT(*reader.preface() == preface);
    EXPECT_EQ(rest, "first bytes");
  }
  FrameReader reader;
  const Bytes bytes = encode_status(status);
  ByteView data = bytes;
  REQUIRE(*reader.feed(data));
  EXPECT(*reader.status() == status);
  EXPECT(data.empty());
}

TEST_CASE("a frame of another version or over the limit is refused at its first bytes") {
  FrameReader reader;
  ByteView version = "\x02";
  EXPECT_EQ(outcome_of(reader.feed(version)), Code::Unsupported);
  FrameReader second;
  const Bytes long_head = frame(1, kPrefaceMessageBytesMax + 1, {});
  ByteView data = long_head;
  EXPECT_EQ(outcome_of(second.feed(data)), Code::Invalid);
  FrameReader third;
  const Bytes longest = frame(1, kPrefaceMessageBytesMax, {});
  data = longest;
  EXPECT_FALSE(*third.feed(data));
}

TEST_CASE("a preface that does not decode, is over a field's bound or holds control characters is refused") {
  EXPECT_EQ(outcome_of(read_preface(frame(1, 2, "\x0a\x7f"))), Code::Corrupt);
  EXPECT_EQ(outcome_of(read_preface(encode_preface({std::string(kPrefaceInstanceBytesMax + 1, 'a'), {}, {}, {}}))),
            Code::Invalid);
  EXPECT_EQ(outcome_of(read_preface(encode_preface({"a", std::string(kPrefacePortBytesMax + 1, 'a'), {}, {}}))),
            Code::Invalid);
  EXPECT_EQ(outcome_of(read_preface(encode_preface({"a\nb", {}, {}, {}}))), Code::Invalid);
  EXPECT_EQ(outcome_of(read_preface(encode_preface({"a", {}, std::string(65, '1'), {}}))), Code::Invalid);
  EXPECT(read_preface(frame(1, 0, {})).ok());
  // A field of a later release: number 15, length 1.
  EXPECT_EQ(read_preface(frame(1, 6, "\x0a\x01"
                                     "a\x7a\x01z"))
                ->instance,
            "a");
}

TEST_CASE("a status is cut to its bounds between characters and keeps no control character") {
  PrefaceStatus status{60, std::string(kStatusTextBytesMax - 1, 'a') + "\xc3\xa4\n", std::string(500, 'r')};
  const Bytes bytes = encode_status(status);
  FrameReader reader;
  ByteView data = bytes;
  REQUIRE(*reader.feed(data));
  const auto read = reader.status();
  REQUIRE(read.ok());
  EXPECT_EQ(read->text.size(), kStatusTextBytesMax - 1);
  EXPECT_EQ(read->rule.size(), kStatusRuleBytesMax);
  const Bytes two_lines = encode_status({60, "two\nlines", {}});
  FrameReader other;
  data = two_lines;
  REQUIRE(*other.feed(data));
  EXPECT_EQ(other.status()->text, "two?lines");
}

}  // namespace mesh::proxy
