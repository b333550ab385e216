#include "net/http1/server.h"

#include <functional>

#include "base/file.h"
#include "tests/unit/net/net_fixture.h"

namespace mesh::net {

namespace {

// Routes by path: what each does is what the test cases need.
struct TestHandler final : HttpHandler, HttpBodySink {
  BodyPlan body_plan(const HttpRequest& request) override {
    if (request.path() == "/stream") return {BodyPlan::How::Stream, 1 << 24};
    if (request.path() == "/small") return {BodyPlan::How::Collect, 10};
    return {};
  }
  void handle(HttpRequest request, const HttpPeer& peer, std::unique_ptr<HttpExchange> exchange) override {
    paths.emplace_back(request.path());
    last_peer = peer;
    if (request.path() == "/park") {
      parked.push_back(std::move(exchange));
      HttpExchange* self = parked.back().get();
      self->set_on_closed([this, self] {
        ++closed;
        std::erase_if(parked, [self](const auto& one) { return one.get() == self; });
      });
      return;
    }
    if (request.path() == "/stream") {
      exchange->set_body_sink(this);
      streaming = std::move(exchange);
      return;
    }
    if (request.path() == "/drop") return;
    if (request.path() == "/chunks") {
      exchange->start({});
      exchange->write("one");
      exchange->write("");
      exchange->write("two");
      return exchange->end();
    }
    if (request.path() == "/large") {
      HttpResponse response;
      response.body.assign(32 << 20, 'L');
      return exchange->reply(std::move(response));
    }
    exchange->reply(text_response(200, request.method_text + " " + std::string(request.path()) + " " + request.body));
  }
  void on_body(ByteView piece) override { streamed.append(piece); }
  void on_body_end() override {
    streaming->reply(text_response(200, std::to_string(streamed.size())));
    streaming.reset();
  }

  std::vector<std::string> paths;
  std::vector<std::unique_ptr<HttpExchange>> parked;
  std::unique_ptr<HttpExchange> streaming;
  Bytes streamed;
  HttpPeer last_peer;
  int closed = 0;
};

// A client that sends bytes as they are given.
struct RawClient {
  RawClient(Loop& on_loop, const Endpoint& to) : loop(on_loop) {
    StreamConnect connect(loop, to, {.deadline = loop.now() + kTestPatience}, [this](auto result) {
      REQUIRE(result.ok());
      stream = std::move(*result);
    });
    REQUIRE(wait_for(loop, [this] { return stream != nullptr; }));
    stream->set_observer(&at);
    stream->resume_reading();
  }
  void send(std::string_view text) { stream->write(text); }
  // Waits until the text has been received; gives all that was received.
  const std::string& until(std::string_view text) {
    const bool found = wait_for(loop, [&] { return at.received.find(text) != std::string::npos; });
    CAPTURE(at.received);
    REQUIRE(found);
    return at.received;
  }
  const std::string& until_closed() {
    const bool over = wait_for(loop, [&] { return at.ended || at.failure.has_value(); });
    CAPTURE(at.received);
    REQUIRE(over);
    return at.received;
  }

  Loop& loop;
  RecordingObserver at;
  std::unique_ptr<Stream> stream;
};

struct ServerFixture {
  explicit ServerFixture(const Http1Limits& with = {}) : limits(with), server(loop, handler, limits) {
    REQUIRE(server.listen(any_loopback_port()).ok());
  }
  RawClient connect() { return {loop, server.endpoints().front()}; }
  // Sends one message on its own connection and gives the answer up to the close.
  std::string closed_with(std::string_view text) {
    RawClient client = connect();
    client.send(text);
    return client.until_closed();
  }

  Loop loop{"test"};
  TestHandler handler;
  Http1Limits limits;
  Http1Server server;
};

const std::string kGet = "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n";

bool contains(std::string_view text, std::string_view part) { return text.find(part) != text.npos; }

}  // namespace

TEST_CASE("http server: requests on one connection are answered one by one") {
  ServerFixture f;
  RawClient client = f.connect();
  client.send(kGet);
  const std::string first = client.until("GET /hello \n");
  EXPECT(first.starts_with("HTTP/1.1 200 OK\r\nDate: "));
  EXPECT(contains(first, "\r\nContent-Length: 12\r\n"));
  EXPECT_FALSE(contains(first, "Connection:"));
  client.send("POST /p HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc");
  client.until("POST /p abc\n");
  client.send("POST /c HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n");
  client.until("POST /c abc\n");
  EXPECT_EQ(f.server.connections(), 1u);
  EXPECT_EQ(f.server.requests_total(), 3u);
}

TEST_CASE("http server: pipelined requests are answered in order, also behind a parked one") {
  ServerFixture f;
  RawClient client = f.connect();
  std::string many;
  for (int n = 0; n < 200; ++n) many += "GET /n" + std::to_string(n) + " HTTP/1.1\r\nHost: a\r\n\r\n";
  client.send(many);
  client.until("GET /n199 \n");
  REQUIRE_EQ(f.handler.paths.size(), 200u);
  for (std::size_t n = 0; n < 200; ++n) EXPECT_EQ(f.handler.paths[n], "/n" + std::to_string(n));
  f.handler.paths.clear();
  client.send("GET /park HTTP/1.1\r\nHost: a\r\n\r\nGET /after HTTP/1.1\r\nHost: a\r\n\r\n");
  REQUIRE(wait_for(f.loop, [&] { return f.handler.parked.size() == 1; }));
  settle(f.loop);
  EXPECT_EQ(f.handler.paths.size(), 1u);
  f.handler.parked.front()->reply(text_response(200, "unparked"));
  EXPECT_EQ(f.handler.paths.size(), 1u);  // not inside the call
  const std::string& text = client.until("GET /after \n");
  EXPECT_LT(text.find("unparked"), text.find("GET /after"));
}

TEST_CASE("http server: a parked request hears that its peer has gone") {
  ServerFixture f;
  for (const bool reset : {false, true}) {
    f.handler.closed = 0;
    RawClient client = f.connect();
    client.send("GET /park HTTP/1.1\r\nHost: a\r\n\r\n");
    REQUIRE(wait_for(f.loop, [&] { return f.handler.parked.size() == 1; }));
    if (reset)
      client.stream->reset();
    else
      client.stream.reset();
    REQUIRE(wait_for(f.loop, [&] { return f.handler.closed == 1; }));
    EXPECT(f.handler.parked.empty());
    REQUIRE(wait_for(f.loop, [&] { return f.server.connections() == 0; }));
  }
}

TEST_CASE("http server: a pipelined request that parks after the peer's end hears of that end") {
  ServerFixture f;
  RawClient client = f.connect();
  const std::string park = "GET /park HTTP/1.1\r\nHost: a\r\n\r\n";
  client.send(park + park);
  REQUIRE(wait_for(f.loop, [&] { return f.handler.parked.size() == 1; }));
  f.handler.parked.front()->set_on_closed([] {});  // this one answers all the same
  client.stream->shutdown_write();
  settle(f.loop);
  f.handler.parked.front()->reply(text_response(200, "first"));
  client.until("first\n");
  REQUIRE(wait_for(f.loop, [&] { return f.handler.closed == 1; }));
  client.until_closed();
}

TEST_CASE("http server: a half-closed client still gets its answers") {
  ServerFixture f;
  RawClient client = f.connect();
  client.send(kGet + kGet);
  client.stream->shutdown_write();
  const std::string& text = client.until_closed();
  EXPECT_NE(text.find("GET /hello \n"), text.rfind("GET /hello \n"));
  REQUIRE(wait_for(f.loop, [&] { return f.server.connections() == 0; }));
}

TEST_CASE("http server: HEAD has the length and no body, HTTP/1.0 closes") {
  ServerFixture f;
  const std::string head = f.closed_with("HEAD /h HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
  EXPECT(contains(head, "Content-Length: 9\r\n"));
  EXPECT(contains(head, "Connection: close\r\n"));
  EXPECT(head.ends_with("\r\n\r\n"));
  EXPECT(f.closed_with("GET /x HTTP/1.0\r\n\r\n").ends_with("GET /x \n"));
  EXPECT(f.closed_with("GET /chunks HTTP/1.0\r\n\r\n").ends_with("\r\n\r\nonetwo"));
}

TEST_CASE("http server: an answer in pieces is chunked") {
  ServerFixture f;
  RawClient client = f.connect();
  client.send("GET /chunks HTTP/1.1\r\nHost: a\r\n\r\n");
  const std::string& text = client.until("0\r\n\r\n");
  EXPECT(contains(text, "Transfer-Encoding: chunked\r\n\r\n3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n"));
}

TEST_CASE("http server: a large answer reaches a slow reader whole and the next request waits for it") {
  ServerFixture f;
  RawClient client = f.connect();
  client.stream->pause_reading();
  client.send("GET /large HTTP/1.1\r\nHost: a\r\n\r\n" + kGet);
  REQUIRE(wait_for(f.loop, [&] { return !f.handler.paths.empty(); }));
  settle(f.loop);
  EXPECT_EQ(f.handler.paths.size(), 1u);
  client.stream->resume_reading();
  const std::string& text = client.until("GET /hello \n");
  EXPECT_GE(text.size(), 32u << 20);
}

TEST_CASE("http server: Expect: 100-continue is answered before the body is sent") {
  ServerFixture f;
  RawClient client = f.connect();
  client.send("PUT /e HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n");
  client.until("HTTP/1.1 100 Continue\r\n\r\n");
  client.send("abc");
  client.until("PUT /e abc\n");
  EXPECT(f.closed_with("PUT /e HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nExpect: tea\r\n\r\nabc")
             .starts_with("HTTP/1.1 417 "));
  EXPECT(f.closed_with("PUT /small HTTP/1.1\r\nHost: a\r\nContent-Length: 30\r\nExpect: 100-continue\r\n\r\n")
             .starts_with("HTTP/1.1 413 "));
}

TEST_CASE("http server: a body over its limit is refused with 413") {
  ServerFixture f;
  EXPECT(f.closed_with("PUT /small HTTP/1.1\r\nHost: a\r\nContent-Length: 11\r\n\r\n01234567890")
             .starts_with("HTTP/1.1 413 "));
  const std::string chunked =
      f.closed_with("PUT /small HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nb\r\n01234567890\r\n0\r\n\r\n");
  EXPECT(chunked.starts_with("HTTP/1.1 413 "));
  EXPECT(contains(chunked, "Connection: close\r\n"));
  EXPECT(f.handler.paths.empty());
}

TEST_CASE("http server: malformed requests get their status and the connection closes") {
  ServerFixture f;
  const std::pair<const char*, const char*> cases[] = {
      {"GET / HTTP/1.1\r\n\r\n", "400"},
      {"GET / HTTP/1.1\nHost: a\n\n", "400"},
      {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "400"},
      {"GET / HTTP/2.0\r\nHost: a\r\n\r\n", "505"},
      {"PROPFIND / HTTP/1.1\r\nHost: a\r\n\r\n", "501"},
      {"\x16\x03\x01\x02", "400"},
  };
  for (const auto& [text, status] : cases) {
    const std::string answer = f.closed_with(text);
    CAPTURE(answer);
    EXPECT(answer.starts_with(std::string("HTTP/1.1 ") + status));
    EXPECT(contains(answer, "Connection: close\r\n"));
  }
  EXPECT(f.closed_with("GET /" + std::string(20'000, 'x')).starts_with("HTTP/1.1 414 "));
  EXPECT(f.closed_with("GET / HTTP/1.1\r\nX: " + std::string(40'000, 'x')).starts_with("HTTP/1.1 431 "));
  EXPECT(f.handler.paths.empty());
  EXPECT_EQ(f.server.refused_total(), 8u);
  REQUIRE(wait_for(f.loop, [&] { return f.server.connections() == 0; }));
}

TEST_CASE("http server: slow heads, slow bodies and idle connections are ended") {
  ServerFixture f(Http1Limits{.head_time_max = milliseconds(20),
                              .body_time_max = milliseconds(20),
                              .idle_time_max = milliseconds(20),
                              .linger_time_max = milliseconds(20)});
  EXPECT(f.closed_with("GET / HTTP/1.1\r\nHo").starts_with("HTTP/1.1 408 "));
  EXPECT(f.closed_with("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nab").starts_with("HTTP/1.1 408 "));
  EXPECT_EQ(f.closed_with(""), "");
  EXPECT_EQ(f.closed_with("\r\n"), "");
  RawClient client = f.connect();
  client.send("GET /park HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_FALSE(f.loop.run_until([&] { return client.at.ended; }, milliseconds(60)));  // parked is not idle
  f.handler.parked.front()->reply(text_response(200, "late"));
  EXPECT(contains(client.until_closed(), "late\n"));
  client.stream.reset();
  REQUIRE(wait_for(f.loop, [&] { return f.server.connections() == 0; }));
}

TEST_CASE("http server: connections over the limit wait for a place") {
  ServerFixture f(Http1Limits{.connections_max = 2});
  std::vector<std::unique_ptr<RawClient>> clients;
  for (int n = 0; n < 3; ++n) clients.push_back(std::make_unique<RawClient>(f.loop, f.server.endpoints().front()));
  for (auto& client : clients) client->send(kGet);
  clients[0]->until("GET /hello");
  clients[1]->until("GET /hello");
  settle(f.loop);
  EXPECT(clients[2]->at.received.empty());
  EXPECT_EQ(f.server.connections(), 2u);
  clients[0].reset();
  clients[2]->until("GET /hello");
}

TEST_CASE("http server: a dropped exchange is a 500") {
  ServerFixture f;
  EXPECT(f.closed_with("GET /drop HTTP/1.1\r\nHost: a\r\n\r\n").starts_with("HTTP/1.1 500 "));
}

TEST_CASE("http server: a streamed body is taken as it comes and pausing holds the sender") {
  ServerFixture f;
  RawClient client = f.connect();
  const std::size_t size = 12 << 20;
  client.send("PUT /stream HTTP/1.1\r\nHost: a\r\nContent-Length: " + std::to_string(size) + "\r\n\r\n");
  REQUIRE(wait_for(f.loop, [&] { return f.handler.streaming != nullptr; }));
  f.handler.streaming->pause_body();
  client.stream->write(Bytes(size, 's'));
  f.loop.run_until([] { return false; }, milliseconds(20));
  EXPECT_LT(f.handler.streamed.size(), size);
  EXPECT_GT(client.stream->queued_bytes(), 0u);
  f.handler.streaming->resume_body();
  client.until(std::to_string(size) + "\n");
  EXPECT_EQ(f.handler.streamed.size(), size);
  client.send(kGet);
  client.until("GET /hello");
}

TEST_CASE("http server: a streamed body that breaks off tells the exchange") {
  ServerFixture f;
  RawClient client = f.connect();
  client.send("PUT /stream HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nsome");
  REQUIRE(wait_for(f.loop, [&] { return f.handler.streamed == "some"; }));
  bool closed = false;
  f.handler.streaming->set_on_closed([&] { closed = true; });
  client.stream.reset();
  REQUIRE(wait_for(f.loop, [&] { return closed; }));
  EXPECT_FALSE(f.handler.streaming->connected());
  f.handler.streaming->reply(text_response(200, "nobody"));
}

TEST_CASE("http server: an answer to half a body closes the connection") {
  ServerFixture f;
  RawClient client = f.connect();
  client.send("PUT /stream HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nsome");
  REQUIRE(wait_for(f.loop, [&] { return f.handler.streamed == "some"; }));
  f.handler.streaming->reply(text_response(403, "no"));
  EXPECT(contains(client.until_closed(), "Connection: close\r\n"));
}

TEST_CASE("http server: works over a unix socket and knows the caller") {
  Loop loop("test");
  auto dir = TempDir::make("net-test");
  REQUIRE(dir.ok());
  TestHandler handler;
  Http1Server server(loop, handler);
  REQUIRE(server.listen(UnixPath{dir->file("agent.sock")}).ok());
  RawClient client(loop, server.endpoints().front());
  client.send(kGet);
  client.until("GET /hello");
  REQUIRE(handler.last_peer.credentials.has_value());
  EXPECT_EQ(handler.last_peer.credentials->pid, getpid());
}

TEST_CASE("http server: stop refuses, lets the running finish and then forces") {
  ServerFixture f;
  RawClient idle = f.connect();
  RawClient finishing = f.connect();
  RawClient stuck = f.connect();
  idle.send(kGet);
  idle.until("GET /hello");
  finishing.send("GET /park HTTP/1.1\r\nHost: a\r\n\r\n");
  REQUIRE(wait_for(f.loop, [&] { return f.handler.parked.size() == 1; }));
  stuck.send("GET /park HTTP/1.1\r\nHost: a\r\n\r\n");
  REQUIRE(wait_for(f.loop, [&] { return f.handler.parked.size() == 2; }));
  const Endpoint where = f.server.endpoints().front();
  bool stopped = false;
  f.server.stop(f.loop.now() + milliseconds(100), [&] { stopped = true; });
  idle.until_closed();
  EXPECT_FALSE(stopped);
  bool refused = false;
  StreamConnect late(f.loop, where, {.deadline = f.loop.now() + kTestPatience},
                     [&](auto result) { refused = !result.ok(); });
  REQUIRE(wait_for(f.loop, [&] { return refused; }));
  f.handler.parked.front()->reply(text_response(200, "finished"));
  EXPECT(contains(finishing.until_closed(), "Connection: close\r\n"));
  EXPECT(contains(finishing.at.received, "finished\n"));
  REQUIRE(wait_for(f.loop, [&] { return stopped; }));
  EXPECT_EQ(f.handler.closed, 1);
  EXPECT_EQ(f.server.connections(), 0u);
  stuck.until_closed();
}

TEST_CASE("http server: destroyed with open connections it tells their exchanges") {
  Loop loop("test");
  TestHandler handler;
  auto server = std::make_unique<Http1Server>(loop, handler);
  REQUIRE(server->listen(any_loopback_port()).ok());
  RawClient client(loop, server->endpoints().front());
  client.send("GET /park HTTP/1.1\r\nHost: a\r\n\r\n");
  REQUIRE(wait_for(loop, [&] { return handler.parked.size() == 1; }));
  server.reset();
  EXPECT_EQ(handler.closed, 1);
  client.until_closed();
}

}  // namespace mesh::net
