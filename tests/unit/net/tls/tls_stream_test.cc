#include "net/tls/tls_stream.h"

#include <malloc.h>
#include <sys/socket.h>

#include "base/rng.h"
#include "net/tls/record.h"
#include "net/tls/session.h"
#include "tests/unit/net/tls/tls_fixture.h"

namespace mesh::net {

namespace {

TrafficKey made_key(char fill) { return {Bytes(kTrafficKeyBytes, fill), Bytes(kTrafficSaltBytes, fill), 1}; }

// A TlsStream over a socket whose other end is in the test's hands: what is written there are the test's own bytes.
struct RawPeer {
  explicit RawPeer(Loop& loop, Bytes early = {}) : pair(loop), writer(made_key('c')), reader(made_key('s')) {
    TlsSession session;
    session.write = made_key('s');
    session.read = made_key('c');
    stream = std::make_unique<TlsStream>(std::move(pair.b), std::move(session), std::move(early));
    stream->set_observer(&at_stream);
    pair.a->resume_reading();
  }
  [[nodiscard]] Bytes record(RecordType type, ByteView plain) {
    Bytes out(plain.size() + kRecordOverheadBytes, '\0');
    writer.write(type, plain, out.data());
    return out;
  }
  // Data records in this order (operands of + have none).
  [[nodiscard]] Bytes records(std::initializer_list<ByteView> texts) {
    Bytes all;
    for (const ByteView text : texts) all += record(RecordType::Data, text);
    return all;
  }
  [[nodiscard]] Bytes close_notify() { return record(RecordType::Alert, ByteView("\x01\x00", 2)); }
  // The alert in what the stream has sent: level and number; -1: none or something else.
  int alert_number() {
    Bytes out(kRecordPlainBytesMax, '\0');
    ByteView in = pair.at_a.received;
    const Bytes nonce_and_all(in);
    // The reader hides alerts behind its own verdict, so the record is opened by hand.
    if (in.size() != kRecordOverheadBytes + 2 || static_cast<RecordType>(in[0]) != RecordType::Alert) return -1;
    auto key = make_gcm_key(made_key('s').key);
    const Bytes nonce = made_key('s').salt + Bytes(in.substr(kRecordHeaderBytes, kRecordNonceBytes));
    const Bytes additional = Bytes(in.substr(kRecordHeaderBytes, kRecordNonceBytes)) + Bytes("\x15\x03\x03\x00\x02", 5);
    if (!key->open({nonce, additional}, in.substr(kRecordPrefixBytes, 2), in.substr(kRecordPrefixBytes + 2), out.data()))
      return -1;
    return static_cast<std::uint8_t>(out[1]);
  }

  StreamPair pair;
  RecordWriter writer;
  RecordReader reader;
  RecordingObserver at_stream;
  std::unique_ptr<TlsStream> stream;
};

Bytes random_text(std::size_t size, std::uint64_t seed) {
  Rng rng(seed);
  Bytes text(size, '\0');
  for (char& c : text) c = static_cast<char>(rng.next());
  return text;
}

}  // namespace

TEST_CASE("TLS: each direction ends by itself, in either order") {
  Loop loop("test");
  for (const bool client_first : {true, false}) {
    TlsPair pair(loop);
    TlsStream& first = client_first ? *pair.a : *pair.b;
    TlsStream& second = client_first ? *pair.b : *pair.a;
    RecordingObserver& at_first = client_first ? pair.at_a : pair.at_b;
    RecordingObserver& at_second = client_first ? pair.at_b : pair.at_a;
    first.resume_reading();
    second.resume_reading();
    const ByteView pieces[] = {"hello", "", " ", "world"};
    EXPECT(first.write(pieces));
    first.shutdown_write();
    first.write("dropped");
    REQUIRE(wait_for(loop, [&] { return at_second.ended; }));
    EXPECT_EQ(at_second.received, "hello world");
    EXPECT_FALSE(at_first.ended);
    second.write("answer after the half-close");
    second.shutdown_write();
    REQUIRE(wait_for(loop, [&] { return at_first.ended; }));
    EXPECT_EQ(at_first.received, "answer after the half-close");
    settle(loop);
    EXPECT_FALSE(at_first.failure.has_value());
    EXPECT_FALSE(at_second.failure.has_value());
  }
}

TEST_CASE("TLS: megabytes both ways, one reader slow, arrive whole and in bounds") {
  Loop loop("test");
  TlsPair pair(loop);
  const Bytes down = random_text(3 << 20, 1);
  const Bytes up = random_text(2 << 20, 2);
  // The writer honours the high mark.
  struct Sender {
    TlsStream& stream;
    ByteView rest;
    std::size_t queued_max = 0;
    void go_on() {
      while (!rest.empty()) {
        const std::size_t size = std::min<std::size_t>(rest.size(), 50'000);
        const bool more = stream.write(rest.substr(0, size));
        rest.remove_prefix(size);
        queued_max = std::max(queued_max, stream.queued_bytes());
        if (!more) return;
      }
      stream.shutdown_write();
    }
  };
  struct Peer final : StreamObserver {
    Sender* sender = nullptr;
    Bytes received;
    bool ended = false;
    std::optional<Error> failure;
    void on_data(ByteView data) override { received.append(data); }
    void on_end() override { ended = true; }
    void on_writable() override { sender->go_on(); }
    void on_failed(const Error& error) override { failure = error; }
  };
  Sender from_a{*pair.a, up};
  Sender from_b{*pair.b, down};
  Peer at_a;
  Peer at_b;
  at_a.sender = &from_a;
  at_b.sender = &from_b;
  pair.a->set_observer(&at_a);
  pair.b->set_observer(&at_b);
  pair.b->resume_reading();
  from_a.go_on();
  from_b.go_on();
  REQUIRE(wait_for(loop, [&] { return at_b.ended; }));
  EXPECT(at_b.received == up);
  EXPECT(at_a.received.empty());  // not reading yet
  // A slow reader: in steps, with pauses.
  while (!at_a.ended) {
    const std::size_t before = at_a.received.size();
    pair.a->resume_reading();
    REQUIRE(wait_for(loop, [&] { return at_a.ended || at_a.received.size() > before; }));
    pair.a->pause_reading();
    settle(loop, 1);
  }
  EXPECT(at_a.received == down);
  EXPECT_LT(from_b.queued_max, kStreamHighMarkBytes + 60'000u);
  EXPECT_FALSE(at_a.failure.has_value());
  EXPECT_FALSE(at_b.failure.has_value());
}

TEST_CASE("TLS: nothing is delivered while paused, neither data nor end") {
  Loop loop("test");
  RawPeer peer(loop);
  struct Pausing final : StreamObserver {
    TlsStream* stream = nullptr;
    Bytes received;
    bool ended = false;
    void on_data(ByteView data) override {
      received.append(data);
      stream->pause_reading();
    }
    void on_end() override { ended = true; }
    void on_failed(const Error&) override { FAIL("not expected"); }
  } pausing;
  pausing.stream = peer.stream.get();
  peer.stream->set_observer(&pausing);
  Bytes last = peer.records({"last words"});
  last += peer.close_notify();
  peer.pair.a->write(last);
  peer.pair.a->shutdown_write();
  settle(loop);
  EXPECT(pausing.received.empty());
  peer.stream->resume_reading();
  REQUIRE(wait_for(loop, [&] { return !pausing.received.empty(); }));
  settle(loop);
  EXPECT_FALSE(pausing.ended);
  peer.stream->resume_reading();
  EXPECT_FALSE(pausing.ended);  // never from inside the call
  REQUIRE(wait_for(loop, [&] { return pausing.ended; }));
  EXPECT_EQ(pausing.received, "last words");
}

TEST_CASE("TLS: what came with the end of the handshake is read first") {
  Loop loop("test");
  RawPeer maker(loop);
  const Bytes first = maker.record(RecordType::Data, "first ");
  const Bytes second = maker.record(RecordType::Data, "second");
  for (const std::size_t cut : {std::size_t{0}, std::size_t{3}, first.size(), first.size() + 7, first.size() + second.size()}) {
    const Bytes all = first + second;
    RawPeer peer(loop, all.substr(0, cut));
    peer.pair.a->write(all.substr(cut));
    peer.stream->resume_reading();
    REQUIRE(wait_for(loop, [&] { return peer.at_stream.received.size() == 12; }));
    EXPECT_EQ(peer.at_stream.received, "first second");
  }
}

TEST_CASE("TLS: records that arrive byte by byte are the same") {
  Loop loop("test");
  RawPeer peer(loop);
  peer.stream->resume_reading();
  Bytes bytes = peer.records({"slow", "", " and whole"});
  bytes += peer.close_notify();
  for (const char c : bytes) {
    peer.pair.a->write(ByteView(&c, 1));
    settle(loop, 1);
  }
  REQUIRE(wait_for(loop, [&] { return peer.at_stream.ended; }));
  EXPECT_EQ(peer.at_stream.received, "slow and whole");
}

TEST_CASE("TLS: an end without close_notify is a failure, with it an end") {
  Loop loop("test");
  RawPeer cut(loop);
  cut.stream->resume_reading();
  cut.pair.a->write(cut.record(RecordType::Data, "half a messa"));
  cut.pair.a->shutdown_write();
  REQUIRE(wait_for(loop, [&] { return cut.at_stream.failure.has_value(); }));
  EXPECT_EQ(cut.at_stream.received, "half a messa");
  EXPECT_FALSE(cut.at_stream.ended);
  EXPECT_EQ(cut.at_stream.failure->code, Code::Unavailable);
  EXPECT_NE(cut.at_stream.failure->message.find("truncated"), std::string::npos);
  EXPECT_FALSE(cut.stream->reset_by_peer());
  EXPECT(cut.stream->failed());

  RawPeer whole(loop);
  whole.stream->resume_reading();
  whole.pair.a->write(whole.close_notify());
  whole.pair.a->write("what follows close_notify is not looked at");
  REQUIRE(wait_for(loop, [&] { return whole.at_stream.ended; }));
  settle(loop);
  EXPECT_FALSE(whole.at_stream.failure.has_value());
  EXPECT_FALSE(whole.stream->failed());
}

TEST_CASE("TLS: a killed peer is a reset, and a reset of ours is one for the peer") {
  Loop loop("test");
  TlsPair pair(loop);
  check_reset(loop, pair);
}

namespace {

// The stream gets these bytes; it fails, delivers nothing and sends the alert (-1: none).
void expect_refusal(Loop& loop, RawPeer& peer, ByteView bytes, int alert, Code code = Code::Corrupt) {
  peer.stream->resume_reading();
  peer.pair.a->write(bytes);
  REQUIRE(wait_for(loop, [&] { return peer.at_stream.failure.has_value(); }));
  CAPTURE(peer.at_stream.failure->message);
  EXPECT_EQ(peer.at_stream.failure->code, code);
  EXPECT(peer.at_stream.received.empty());
  EXPECT(peer.stream->failed());
  settle(loop);
  EXPECT_EQ(peer.alert_number(), alert);
}

}  // namespace

TEST_CASE("TLS: records that were changed end the connection with the right alert") {
  Loop loop("test");
  RawPeer peer(loop);
  Bytes bytes;
  int alert = -1;
  SUBCASE("a bit of the content") {
    bytes = peer.record(RecordType::Data, "content");
    bytes[kRecordPrefixBytes] = static_cast<char>(bytes[kRecordPrefixBytes] ^ 1);
    alert = 20;
  }
  SUBCASE("a bit of the nonce") {
    bytes = peer.record(RecordType::Data, "content");
    bytes[kRecordHeaderBytes + 7] = static_cast<char>(bytes[kRecordHeaderBytes + 7] ^ 1);
    alert = 20;
  }
  SUBCASE("the type") {
    bytes = peer.record(RecordType::Data, "\x01");
    bytes[0] = 21;
    alert = 20;
  }
  SUBCASE("a record left out") {
    (void)peer.record(RecordType::Data, "lost");
    bytes = peer.record(RecordType::Data, "content");
    alert = 20;
  }
  SUBCASE("too short for a tag") {
    bytes = Bytes("\x17\x03\x03\x00\x17", 5) + Bytes(23, 'x');
    alert = 20;
  }
  SUBCASE("too long") {
    bytes = Bytes("\x17\x03\x03\x40\x19", 5);
    alert = 22;
  }
  SUBCASE("another version") {
    bytes = peer.record(RecordType::Data, "content");
    bytes[2] = 4;
    alert = 70;
  }
  expect_refusal(loop, peer, bytes, alert);
}

TEST_CASE("TLS: records that do not belong here end the connection with the right alert") {
  Loop loop("test");
  RawPeer peer(loop);
  Bytes bytes;
  int alert = -1;
  Code code = Code::Corrupt;
  SUBCASE("renegotiation") {
    bytes = peer.record(RecordType::Handshake, ByteView("\0\0\0\0", 4));
    alert = 10;
  }
  SUBCASE("a change of cipher") {
    bytes = peer.record(RecordType::ChangeCipherSpec, "\x01");
    alert = 10;
  }
  SUBCASE("an unknown type") {
    bytes = peer.record(static_cast<RecordType>(24), "heartbeat");
    alert = 10;
  }
  SUBCASE("an alert of three bytes") {
    bytes = peer.record(RecordType::Alert, "abc");
    alert = 50;
  }
  SUBCASE("empty records without end") {
    for (int n = 0; n <= kIdleRecordsMax; ++n) bytes += peer.record(RecordType::Data, "");
    alert = 10;
  }
  SUBCASE("a fatal alert is not answered") {
    bytes = peer.record(RecordType::Alert, ByteView("\x02\x50", 2));
    code = Code::Unavailable;
  }
  expect_refusal(loop, peer, bytes, alert, code);
}

TEST_CASE("TLS: good records before a bad one are delivered") {
  Loop loop("test");
  RawPeer peer(loop);
  peer.stream->resume_reading();
  Bytes bytes = peer.records({"good", "bad"});
  bytes.back() = static_cast<char>(bytes.back() ^ 1);
  peer.pair.a->write(bytes);
  REQUIRE(wait_for(loop, [&] { return peer.at_stream.failure.has_value(); }));
  EXPECT_EQ(peer.at_stream.received, "good");
}

TEST_CASE("TLS: a stream may be destroyed or reset in each of its callbacks") {
  Loop loop("test");
  struct Destroyer final : StreamObserver {
    std::unique_ptr<TlsStream>* stream = nullptr;
    bool only_reset = false;
    int calls = 0;
    void gone() {
      ++calls;
      if (only_reset) (*stream)->reset();
      else stream->reset();
    }
    void on_data(ByteView) override { gone(); }
    void on_end() override { gone(); }
    void on_failed(const Error&) override { gone(); }
  };
  for (int way = 0; way < 5; ++way) {
    for (const bool only_reset : {false, true}) {
      // Way 4: within what came with the handshake.
      RawPeer maker(loop);
      RawPeer peer(loop, way == 4 ? maker.record(RecordType::Data, "early") : Bytes());
      Destroyer destroyer;
      destroyer.stream = &peer.stream;
      destroyer.only_reset = only_reset;
      peer.stream->set_observer(&destroyer);
      peer.stream->resume_reading();
      Bytes first = peer.records({"x"});
      if (way == 0) peer.pair.a->write(first += peer.close_notify());
      if (way == 1) peer.pair.a->shutdown_write();
      if (way == 2) peer.pair.a->write("no record of TLS");
      if (way == 3) peer.pair.a->reset();
      REQUIRE(wait_for(loop, [&] { return destroyer.calls != 0; }));
      settle(loop);
      EXPECT_EQ(destroyer.calls, 1);
    }
  }
}

TEST_CASE("TLS: destroyed with output queued and reading asked for, nothing fires") {
  Loop loop("test");
  RawPeer peer(loop);
  peer.pair.a->pause_reading();
  while (peer.stream->write(Bytes(1 << 20, 'x'))) {
  }
  EXPECT(peer.stream->above_high_mark());
  peer.stream->resume_reading();
  peer.stream.reset();
  settle(loop);
  EXPECT_FALSE(peer.at_stream.failure.has_value());
}

TEST_CASE("TLS: many small pieces become full records") {
  Loop loop("test");
  RawPeer peer(loop);
  const Bytes text = random_text(40'000, 3);
  std::vector<ByteView> pieces;
  for (std::size_t n = 0; n < text.size(); n += 1000) pieces.push_back(ByteView(text).substr(n, 1000));
  peer.stream->write(pieces);
  REQUIRE(wait_for(loop, [&] { return peer.pair.at_a.received.size() == text.size() + 3 * kRecordOverheadBytes; }));
  Bytes opened;
  Bytes out(kRecordPlainBytesMax, '\0');
  ByteView in = peer.pair.at_a.received;
  while (!in.empty()) {
    const RecordReader::Step step = peer.reader.next(in, out.data());
    REQUIRE(step.what == RecordReader::What::Data);
    opened.append(out, 0, step.plain);
    in.remove_prefix(step.used);
  }
  EXPECT(opened == text);
}

}  // namespace mesh::net
