#include "net/http1/client.h"

#include "net/http1/server.h"
#include "tests/unit/net/net_fixture.h"

namespace mesh::net {

namespace {

struct EchoHandler final : HttpHandler {
  void handle(HttpRequest request, const HttpPeer&, std::unique_ptr<HttpExchange> exchange) override {
    ++requests;
    last = request;
    if (request.path() == "/never") {
      kept = std::move(exchange);
      return;
    }
    if (request.path() == "/chunks") {
      exchange->start({});
      for (int n = 0; n < 3; ++n) exchange->write("piece");
      return exchange->end();
    }
    exchange->reply(text_response(request.path() == "/missing" ? 404 : 200, request.body));
  }
  int requests = 0;
  HttpRequest last;
  std::unique_ptr<HttpExchange> kept;
};

// A peer that answers each connection's first bytes with a fixed text and closes when told so.
struct FixedPeer final : StreamObserver {
  FixedPeer(Loop& loop, std::string text, bool then_close) : answer(std::move(text)), close(then_close) {
    auto made = StreamListener::listen(loop, any_loopback_port(), {}, [this](std::unique_ptr<Stream> accepted) {
      stream = std::move(accepted);
      stream->set_observer(this);
      stream->resume_reading();
    });
    REQUIRE(made.ok());
    listener = std::move(*made);
  }
  void on_data(ByteView) override {
    stream->write(answer);
    if (close) stream.reset();
  }
  void on_end() override { stream.reset(); }
  void on_failed(const Error&) override { stream.reset(); }

  std::string answer;
  bool close;
  std::unique_ptr<StreamListener> listener;
  std::unique_ptr<Stream> stream;
};

struct ClientFixture {
  ClientFixture() { REQUIRE(server.listen(any_loopback_port()).ok()); }

  Result<HttpResponse> get(const std::string& target, HttpCallOptions options = {}) {
    HttpRequest request;
    request.target = target;
    return run(std::move(request), std::move(options));
  }
  Result<HttpResponse> run(HttpRequest request, HttpCallOptions options) {
    if (options.to == Endpoint()) options.to = server.endpoints().front();
    if (options.deadline == kNever) options.deadline = loop.now() + kTestPatience;
    std::optional<Result<HttpResponse>> result;
    auto call = client.send(std::move(request), std::move(options), [&](Result<HttpResponse> answer) {
      REQUIRE_FALSE(result.has_value());
      result = std::move(answer);
    });
    EXPECT_FALSE(result.has_value());
    REQUIRE(wait_for(loop, [&] { return result.has_value(); }));
    return std::move(*result);
  }

  Loop loop{"test"};
  EchoHandler handler;
  Http1Server server{loop, handler};
  Http1Client client{loop};
};

}  // namespace

TEST_CASE("http client: sends, receives and keeps the connection") {
  ClientFixture f;
  HttpRequest put;
  put.method = HttpMethod::Put;
  put.method_text = "PUT";
  put.target = "/x?y=1";
  put.headers.add("X-Test", "1");
  put.headers.add("Content-Length", "9999");
  put.body = "body";
  const auto answer = f.run(std::move(put), {});
  REQUIRE(answer.ok());
  EXPECT_EQ(answer->status, 200);
  EXPECT_EQ(answer->body, "body\n");
  EXPECT_EQ(*f.handler.last.headers.get("x-test"), "1");
  EXPECT_EQ(*f.handler.last.headers.get("host"), f.server.endpoints().front().to_string());
  EXPECT_EQ(f.client.idle_connections(), 1u);
  EXPECT_EQ(f.get("/missing")->status, 404);
  EXPECT_EQ(f.get("/chunks")->body, "piecepiecepiece");
  EXPECT_EQ(f.server.connections(), 1u);
  EXPECT_EQ(f.get("/x", {.keep_alive = false})->status, 200);
  REQUIRE(wait_for(f.loop, [&] { return f.server.connections() == 1; }));
}

TEST_CASE("http client: HEAD has no body, a body may be taken in pieces") {
  ClientFixture f;
  HttpRequest head;
  head.method = HttpMethod::Head;
  head.method_text = "HEAD";
  const auto answer = f.run(std::move(head), {});
  REQUIRE(answer.ok());
  EXPECT_EQ(answer->body, "");
  std::string pieces;
  const auto streamed = f.get("/chunks", {.on_body = [&](ByteView piece) { pieces += piece; }});
  REQUIRE(streamed.ok());
  EXPECT_EQ(streamed->body, "");
  EXPECT_EQ(pieces, "piecepiecepiece");
}

TEST_CASE("http client: failures have their codes") {
  ClientFixture f;
  EXPECT_EQ(f.get("/never", {.deadline = f.loop.now() + milliseconds(20)}).error().code, Code::Timeout);
  EXPECT_EQ(f.get("/with space").error().code, Code::Invalid);
  EXPECT_EQ(f.get("/chunks", {.body_bytes_max = 10}).error().code, Code::Overloaded);
  EXPECT_EQ(f.get("/", {.to = Endpoint(IpAddress::loopback(), 1)}).error().code, Code::Unavailable);
  FixedPeer ssh(f.loop, "SSH-2.0-OpenSSH\r\n", false);
  EXPECT_EQ(f.get("/", {.to = ssh.listener->local()}).error().code, Code::Corrupt);
  FixedPeer cut(f.loop, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc", true);
  EXPECT_EQ(f.get("/", {.to = cut.listener->local()}).error().code, Code::Unavailable);
  FixedPeer endless(f.loop, "HTTP/1.1 200 OK\r\nX: " + std::string(100'000, 'x'), false);
  EXPECT_EQ(f.get("/", {.to = endless.listener->local()}).error().code, Code::Corrupt);
}

TEST_CASE("http client: the end of the connection may delimit a body, interim answers are skipped") {
  ClientFixture f;
  FixedPeer old(f.loop, "HTTP/1.0 200 OK\r\n\r\nuntil the end", true);
  const auto answer = f.get("/", {.to = old.listener->local()});
  REQUIRE(answer.ok());
  EXPECT_EQ(answer->body, "until the end");
  FixedPeer interim(f.loop, "HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", false);
  EXPECT_EQ(f.get("/", {.to = interim.listener->local()})->body, "ok");
}

TEST_CASE("http client: a kept connection that the server has closed is replaced") {
  ClientFixture f;
  REQUIRE(f.get("/x").ok());
  EXPECT_EQ(f.client.idle_connections(), 1u);
  const Endpoint where = f.server.endpoints().front();
  // The server's end goes away; the client has not turned its loop since.
  std::optional<Result<HttpResponse>> result;
  {
    FixedPeer once(f.loop, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", false);
    REQUIRE(f.get("/", {.to = once.listener->local()}).ok());
    once.stream.reset();
    once.answer = "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nnew";
    const auto again = f.get("/", {.to = once.listener->local()});
    REQUIRE(again.ok());
    EXPECT_EQ(again->body, "new");
  }
}

TEST_CASE("http client: bytes after an answer make a connection unfit for another") {
  ClientFixture f;
  FixedPeer extra(f.loop, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\n", false);
  EXPECT_EQ(f.get("/", {.to = extra.listener->local()})->body, "ok");
  EXPECT_EQ(f.client.idle_connections(), 0u);
}

TEST_CASE("http client: a destroyed call is silent and closes its connection") {
  ClientFixture f;
  HttpRequest request;
  request.target = "/never";
  auto call = f.client.send(std::move(request), {.to = f.server.endpoints().front(), .deadline = f.loop.now() + kTestPatience},
                            [](Result<HttpResponse>) { FAIL("cancelled"); });
  REQUIRE(wait_for(f.loop, [&] { return f.handler.kept != nullptr; }));
  bool closed = false;
  f.handler.kept->set_on_closed([&] { closed = true; });
  call.reset();
  REQUIRE(wait_for(f.loop, [&] { return closed; }));
}

}  // namespace mesh::net
