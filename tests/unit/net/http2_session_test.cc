#include "net/http2/session.h"

#include <functional>

#include "tests/unit/net/memory_stream.h"
#include "tests/unit/net/net_fixture.h"

namespace mesh::net {

namespace {

// Records one stream; its events can run something of the test.
struct StreamRecord final : Http2StreamObserver {
  void on_headers(Http2Headers got, Headers kind) override {
    (kind == Headers::Trailers ? trailers : kind == Headers::Head ? head : informational) = std::move(got);
    event();
  }
  void on_data(ByteView data) override {
    body.append(data);
    if (consume_at_once && stream != nullptr) stream->consume(data.size());
    event();
  }
  void on_end() override {
    ended = true;
    event();
  }
  void on_writable() override {
    ++writable;
    event();
  }
  void on_reset(Http2Error code, const Error& why) override {
    reset = code;
    reason = why;
    event();
  }
  void event() {
    if (on_event) on_event();
  }

  std::unique_ptr<Http2Stream> stream;
  Http2Headers informational, head, trailers;
  Bytes body;
  bool ended = false;
  bool consume_at_once = true;
  int writable = 0;
  std::optional<Http2Error> reset;
  std::optional<Error> reason;
  std::function<void()> on_event;
};

struct End final : Http2SessionObserver {
  void on_request(std::unique_ptr<Http2Stream> stream, Http2Headers head, bool) override {
    auto record = std::make_unique<StreamRecord>();
    record->stream = std::move(stream);
    record->head = std::move(head);
    record->consume_at_once = consume_at_once;
    record->stream->set_observer(record.get());
    requests.push_back(std::move(record));
    if (on_each) on_each(*requests.back());
  }
  void on_going_away() override { going_away = true; }
  void on_closed(const Status& why) override {
    EXPECT_FALSE(closed.has_value());
    closed = why;
  }

  std::vector<std::unique_ptr<StreamRecord>> requests;
  std::function<void(StreamRecord&)> on_each;
  std::optional<Status> closed;
  bool consume_at_once = true;
  bool going_away = false;
  std::unique_ptr<Http2Session> session;
};

const std::vector<Http2Header> kGet = {{":method", "GET"}, {":scheme", "http"}, {":path", "/"}, {":authority", "x"}};
const std::vector<Http2Header> kOk = {{":status", "200"}};

struct Pair {
  explicit Pair(const Http2Options& client_options = {}, const Http2Options& server_options = {}) {
    StreamPair streams(loop);
    client.session = std::make_unique<Http2Session>(std::move(streams.a), Http2Session::Role::Client, client_options, client);
    server.session = std::make_unique<Http2Session>(std::move(streams.b), Http2Session::Role::Server, server_options, server);
  }
  // A request that has reached the server.
  StreamRecord& ask(StreamRecord& record, bool end = true) {
    const std::size_t before = server.requests.size();
    record.stream = client.session->request(kGet, record, end);
    REQUIRE(wait_for(loop, [&] { return server.requests.size() > before; }));
    return *server.requests.back();
  }

  Loop loop{"test"};
  End client, server;
};

// A server session and a peer whose bytes the test writes.
struct RawPeer {
  explicit RawPeer(const Http2Options& options = {}) {
    auto made = std::make_unique<MemoryStream>(loop, output);
    stream = made.get();
    stream->gone = &gone;
    server.session = std::make_unique<Http2Session>(std::move(made), Http2Session::Role::Server, options, server);
    feed("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(4, 0, 0, ""));
  }
  static Bytes frame(int type, int flags, std::uint32_t stream, const Bytes& payload) {
    Bytes head;
    append_be32(head, static_cast<std::uint32_t>(payload.size() << 8 | static_cast<unsigned>(type)));
    head += static_cast<char>(flags);
    append_be32(head, stream);
    return head + payload;
  }
  static Bytes literal(const Bytes& name, const Bytes& value) {
    Bytes out(1, '\0');
    return out + static_cast<char>(name.size()) + name + static_cast<char>(value.size()) + value;
  }
  static Bytes get() {
    return literal(":method", "GET") + literal(":scheme", "http") + literal(":path", "/") + literal(":authority", "x");
  }
  void feed(const Bytes& bytes) {
    if (!gone) stream->feed(bytes);
    settle(loop, 2);
  }

  Loop loop{"test"};
  Bytes output;
  bool gone = false;
  MemoryStream* stream = nullptr;
  End server;
};

}  // namespace

TEST_CASE("http2: a request and its response carry headers, bodies and trailers both ways") {
  Pair pair;
  StreamRecord record;
  StreamRecord& at_server = pair.ask(record, false);
  EXPECT_EQ(at_server.head.get(":path"), "/");
  EXPECT_FALSE(at_server.ended);
  record.stream->send(Bytes(100'000, 'q'));
  record.stream->end(std::vector<Http2Header>{{"checksum", "1"}});
  REQUIRE(wait_for(pair.loop, [&] { return at_server.ended; }));
  EXPECT_EQ(at_server.body, Bytes(100'000, 'q'));
  EXPECT_EQ(at_server.trailers.get("checksum"), "1");
  at_server.stream->respond(kOk, false);
  at_server.stream->send(Bytes("part one, "));
  at_server.stream->send(Bytes(200'000, 'a'));
  at_server.stream->end(std::vector<Http2Header>{{"grpc-status", "0"}});
  REQUIRE(wait_for(pair.loop, [&] { return record.ended; }));
  EXPECT_EQ(record.head.get(":status"), "200");
  EXPECT_EQ(record.body.size(), 200'010u);
  EXPECT_EQ(record.trailers.get("grpc-status"), "0");
  REQUIRE(wait_for(pair.loop, [&] { return pair.client.session->streams() == 0 && pair.server.session->streams() == 0; }));
  EXPECT_FALSE(record.reset.has_value());
  EXPECT_FALSE(at_server.reset.has_value());
}

TEST_CASE("http2: what is not consumed fills the stream's window and stops its sender alone") {
  Http2Options options;
  options.stream_window_bytes = 64 * 1024;
  Pair pair({}, options);
  pair.server.consume_at_once = false;
  StreamRecord slow, fast;
  StreamRecord& slow_at_server = pair.ask(slow, false);
  int sent = 0;
  while (slow.stream->send(Bytes(64 * 1024, 's'))) ++sent;
  REQUIRE(wait_for(pair.loop, [&] { return slow_at_server.body.size() == 64 * 1024; }));
  pair.server.consume_at_once = true;
  StreamRecord& fast_at_server = pair.ask(fast, false);
  for (int n = 0; n < 32; ++n) fast.stream->send(Bytes(64 * 1024, 'f'));
  REQUIRE(wait_for(pair.loop, [&] { return fast_at_server.body.size() == 32 * 64 * 1024; }));
  EXPECT_EQ(slow_at_server.body.size(), 64u * 1024);
  EXPECT_EQ(slow.writable, 0);
  slow_at_server.consume_at_once = true;
  slow_at_server.stream->consume(slow_at_server.body.size());
  REQUIRE(wait_for(pair.loop, [&] { return slow.writable == 1; }));
}

TEST_CASE("http2: all that waits unconsumed on one connection is bounded") {
  Http2Options options;
  options.stream_window_bytes = 64 * 1024;
  options.connection_window_bytes = 128 * 1024;
  options.held_bytes_max = 256 * 1024;
  Pair pair({}, options);
  pair.server.consume_at_once = false;
  std::vector<StreamRecord> records(20);
  for (auto& record : records) {
    pair.ask(record, false);
    record.stream->send(Bytes(64 * 1024, 'x'));
  }
  const auto held = [&] {
    std::size_t bytes = 0;
    for (const auto& one : pair.server.requests) bytes += one->body.size();
    return bytes;
  };
  REQUIRE(wait_for(pair.loop, [&] { return held() >= 256 * 1024; }));
  settle(pair.loop, 20);
  EXPECT_LE(held(), 256u * 1024 + 128 * 1024);
  for (const auto& one : pair.server.requests) {
    one->consume_at_once = true;
    one->stream->consume(one->body.size());
  }
  REQUIRE(wait_for(pair.loop, [&] { return held() == 20 * 64 * 1024; }));
}

TEST_CASE("http2: a stream that queues beyond the connection's limit is reset, the others go on") {
  Http2Options options;
  options.queue_bytes_max = 1024 * 1024;
  Pair pair(options);
  StreamRecord greedy, modest;
  StreamRecord& at_server = pair.ask(greedy, false);
  pair.ask(modest, false);
  for (int n = 0; n < 40; ++n) greedy.stream->send(Bytes(64 * 1024, 'g'));
  EXPECT_FALSE(greedy.reset.has_value());
  REQUIRE(wait_for(pair.loop, [&] { return greedy.reset && at_server.reset; }));
  EXPECT_EQ(greedy.reason->code, Code::Overloaded);
  EXPECT_EQ(at_server.reset, Http2Error::EnhanceYourCalm);
  modest.stream->send(Bytes("still fine"));
  REQUIRE(wait_for(pair.loop, [&] { return pair.server.requests[1]->body == "still fine"; }));
}

TEST_CASE("http2: requests over the peer's limit of streams wait their turn; a waiting one can be cancelled") {
  Http2Options options;
  options.streams_max = 1;
  Pair pair({}, options);
  StreamRecord first, second, third;
  StreamRecord& at_server = pair.ask(first);
  second.stream = pair.client.session->request(kGet, second, true);
  third.stream = pair.client.session->request(kGet, third, true);
  settle(pair.loop, 10);
  EXPECT_EQ(pair.server.requests.size(), 1u);
  second.stream.reset();
  at_server.stream->respond(kOk, true);
  REQUIRE(wait_for(pair.loop, [&] { return pair.server.requests.size() == 2; }));
  pair.server.requests[1]->stream->respond(kOk, true);
  REQUIRE(wait_for(pair.loop, [&] { return third.ended; }));
  EXPECT_FALSE(second.ended);
}

TEST_CASE("http2: headers over the limit reset their stream") {
  Pair pair;
  StreamRecord large, small;
  const std::string value(40'000, 'h');
  auto head = kGet;
  head.push_back({"x-large", value});
  large.stream = pair.client.session->request(head, large, true);
  REQUIRE(wait_for(pair.loop, [&] { return large.reset.has_value(); }));
  EXPECT_EQ(large.reset, Http2Error::EnhanceYourCalm);
  EXPECT(pair.server.requests.empty());
  pair.ask(small);
}

TEST_CASE("http2: a server may answer before the request is complete; the rest is given up") {
  Pair pair;
  StreamRecord record;
  StreamRecord& at_server = pair.ask(record, false);
  record.stream->send(Bytes(10 << 20, 'x'));
  at_server.stream->respond(kOk, true);
  at_server.stream.reset();
  REQUIRE(wait_for(pair.loop, [&] { return record.ended && record.reset; }));
  EXPECT_EQ(record.reset, Http2Error::NoError);
}

TEST_CASE("http2: shut_down of a server finishes running streams and then ends in order") {
  Pair pair;
  StreamRecord record;
  StreamRecord& at_server = pair.ask(record);
  pair.server.session->shut_down(pair.loop.now() + kTestPatience);
  REQUIRE(wait_for(pair.loop, [&] { return pair.client.going_away; }));
  EXPECT_FALSE(pair.client.session->accepting());
  EXPECT_FALSE(pair.client.closed.has_value());
  at_server.stream->respond(kOk, true);
  REQUIRE(wait_for(pair.loop, [&] { return record.ended && pair.client.closed && pair.server.closed; }));
  EXPECT(pair.client.closed->ok());
  EXPECT(pair.server.closed->ok());
}

TEST_CASE("http2: shut_down of a client lets its streams finish") {
  Pair pair;
  StreamRecord record;
  StreamRecord& at_server = pair.ask(record);
  pair.client.session->shut_down(pair.loop.now() + kTestPatience);
  settle(pair.loop);
  at_server.stream->respond(kOk, true);
  REQUIRE(wait_for(pair.loop, [&] { return record.ended && pair.client.closed && pair.server.closed; }));
  EXPECT(pair.client.closed->ok());
}

TEST_CASE("http2: a connection without streams goes after its idle time") {
  Http2Options options;
  options.idle_time_max = milliseconds(20);
  Pair pair({}, options);
  REQUIRE(wait_for(pair.loop, [&] { return pair.client.closed && pair.server.closed; }));
  EXPECT(pair.server.closed->ok());
}

TEST_CASE("http2: close resets every stream with its reason, later") {
  Pair pair;
  StreamRecord record;
  pair.ask(record);
  pair.client.session->close(error(Code::Denied, "the certificate was revoked"));
  EXPECT_FALSE(record.reset.has_value());
  REQUIRE(wait_for(pair.loop, [&] { return pair.client.closed.has_value(); }));
  EXPECT_EQ(record.reason->code, Code::Denied);
  EXPECT_EQ(pair.client.closed->error().code, Code::Denied);
}

TEST_CASE("http2: the session may be destroyed in any call of a stream's observer") {
  for (int at = 1; at <= 5; ++at) {
    Pair pair;
    StreamRecord record;
    int events = 0;
    record.on_event = [&] {
      if (++events != at) return;
      record.stream.reset();
      pair.client.session.reset();
    };
    StreamRecord& at_server = pair.ask(record);
    at_server.stream->respond(kOk, false);
    at_server.stream->send(Bytes("x"));
    at_server.stream->end(std::vector<Http2Header>{{"t", "1"}});
    REQUIRE(wait_for(pair.loop, [&] { return events >= std::min(at, 4); }));
    settle(pair.loop);
    EXPECT_FALSE(pair.client.closed.has_value());
  }
}

TEST_CASE("http2: the server's session may be destroyed when a request arrives") {
  Pair pair;
  pair.server.on_each = [&](StreamRecord& record) {
    record.stream.reset();
    pair.server.session.reset();
  };
  StreamRecord record;
  record.stream = pair.client.session->request(kGet, record, true);
  REQUIRE(wait_for(pair.loop, [&] { return record.reset && pair.client.closed; }));
  EXPECT_EQ(pair.client.closed->error().code, Code::Unavailable);
}

TEST_CASE("http2: frames that carry nothing end the session when there are too many") {
  const auto flooded = [](const Bytes& frame) {
    RawPeer peer;
    peer.feed(RawPeer::frame(1, 4, 1, RawPeer::get()));
    REQUIRE_EQ(peer.server.requests.size(), 1u);
    Bytes many;
    for (int n = 0; n < 1000; ++n) many += frame;
    for (int n = 0; n < 20 && !peer.server.closed; ++n) peer.feed(many);
    REQUIRE(peer.server.closed.has_value());
    EXPECT(peer.gone);
    EXPECT_LT(peer.output.size(), 200'000u);
    return peer.server.closed->error().code;
  };
  EXPECT_EQ(flooded(RawPeer::frame(6, 0, 0, "12345678")), Code::Overloaded);        // PING
  EXPECT_EQ(flooded(RawPeer::frame(4, 0, 0, "")), Code::Overloaded);                // SETTINGS
  EXPECT_EQ(flooded(RawPeer::frame(0, 0, 1, "")), Code::Overloaded);                // empty DATA
  EXPECT_EQ(flooded(RawPeer::frame(8, 0, 0, Bytes("\0\0\0\1", 4))), Code::Overloaded);  // WINDOW_UPDATE
  EXPECT_EQ(flooded(RawPeer::frame(2, 0, 1, Bytes("\0\0\0\0\1", 5))), Code::Overloaded);  // PRIORITY
}

TEST_CASE("http2: streams opened and reset at once end the session when there are too many") {
  Http2Options options;
  options.resets_burst = 10;
  RawPeer peer(options);
  for (std::uint32_t id = 1; id < 200 && !peer.server.closed; id += 2)
    peer.feed(RawPeer::frame(1, 5, id, RawPeer::get()) + RawPeer::frame(3, 0, id, Bytes("\0\0\0\x8", 4)));
  REQUIRE(peer.server.closed.has_value());
  EXPECT_FALSE(peer.server.closed->ok());
  EXPECT_LE(peer.server.requests.size(), 20u);
}

TEST_CASE("http2: a stream whose handle is dropped at its end is complete, not reset") {
  Http2Options options;
  options.resets_burst = 5;
  Pair pair({}, options);
  pair.server.on_each = [](StreamRecord& record) {
    record.stream->respond(kOk, true);
    record.stream.reset();
  };
  for (int n = 0; n < 50; ++n) {
    StreamRecord record;
    record.on_event = [&] {
      if (record.ended) record.stream.reset();
    };
    record.stream = pair.client.session->request(kGet, record, true);
    REQUIRE(wait_for(pair.loop, [&] { return record.ended || record.reset; }));
    EXPECT(record.ended);
  }
  settle(pair.loop);
  EXPECT_FALSE(pair.client.closed.has_value());
}

TEST_CASE("http2: a connection that the peer ends for a reason has not ended in order") {
  Http2Options options;
  options.resets_burst = 5;
  options.resets_per_second = 1;
  Pair pair({}, options);
  for (int n = 0; n < 50 && !pair.client.closed; ++n) {
    StreamRecord record;
    record.stream = pair.client.session->accepting() ? pair.client.session->request(kGet, record, true) : nullptr;
    settle(pair.loop);
  }
  REQUIRE(wait_for(pair.loop, [&] { return pair.client.closed.has_value(); }));
  EXPECT_EQ(pair.client.closed->error().code, Code::Unavailable);
  EXPECT_NE(pair.client.closed->error().message.find("INTERNAL_ERROR"), std::string::npos);
}

TEST_CASE("http2: a frame larger than announced, and a header block without end, end the session") {
  RawPeer large;
  large.feed(RawPeer::frame(1, 4, 1, RawPeer::get()) + RawPeer::frame(0, 0, 1, Bytes(64 * 1024 + 1, 'x')));
  EXPECT(large.server.closed.has_value());
  RawPeer endless;
  Bytes block = RawPeer::frame(1, 0, 1, RawPeer::get());
  for (int n = 0; n < 1000; ++n) block += RawPeer::frame(9, 0, 1, RawPeer::literal("x", Bytes(100, 'y')));
  endless.feed(block);
  EXPECT(endless.server.requests.empty());
}

}  // namespace mesh::net
