// RPC over HTTP/2 when things go wrong, and what only this transport has. The contract itself: rpc_test.cc.
#include "net/rpc_http2.h"

#include "net/rpc_grpc.h"
#include "tests/unit/net/rpc_fixture.h"

namespace mesh::net {

namespace {

struct Reply {
  std::optional<std::string> http_status, grpc_status, grpc_message;
  std::optional<Http2Error> reset;
  bool ended = false;
};

// A client that sends what it is told to.
struct RawClient final : Http2SessionObserver, Http2StreamObserver {
  RawClient(Loop& loop, const Endpoint& where)
      : session(std::make_unique<Http2Session>(connect_to(loop, where), Http2Session::Role::Client, Http2Options{}, *this)) {}

  Reply ask(Loop& loop, std::vector<Http2Header> more, const Bytes& body, std::string_view method = "POST") {
    reply = {};
    std::vector<Http2Header> head = {{":method", method}, {":scheme", "http"}, {":authority", "x"}};
    for (const auto& header : more)
      if (header.name.starts_with(':')) head.push_back(header);
    for (const auto& header : more)
      if (!header.name.starts_with(':')) head.push_back(header);
    stream = session->request(head, *this, false);
    stream->send(body);
    stream->end();
    REQUIRE(wait_for(loop, [&] { return reply.ended || reply.reset || closed; }));
    return reply;
  }
  Reply call(Loop& loop, std::string_view path, const Bytes& body, std::string_view timeout = "") {
    std::vector<Http2Header> head = {{":path", path}, {"content-type", "application/grpc"}};
    if (!timeout.empty()) head.push_back({"grpc-timeout", timeout});
    return ask(loop, head, body);
  }

  void on_headers(Http2Headers headers, Headers) override {
    if (const auto value = headers.get(":status")) reply.http_status = *value;
    if (const auto value = headers.get("grpc-status")) reply.grpc_status = *value;
    if (const auto value = headers.get("grpc-message")) reply.grpc_message = *value;
  }
  void on_data(ByteView data) override { stream->consume(data.size()); }
  void on_end() override { reply.ended = true; }
  void on_reset(Http2Error code, const Error&) override { reply.reset = code; }
  void on_closed(const Status& why) override { closed = why; }

  Reply reply;
  std::optional<Status> closed;
  std::unique_ptr<Http2Stream> stream;
  std::unique_ptr<Http2Session> session;
};

Bytes framed(const Bytes& message) { return grpc_prefix(message.size()) + message; }

struct Rig {
  explicit Rig(const RpcHttp2ListenerOptions& options = {}) : listener(std::make_unique<Http2Server>(client, server, options)) {}
  ~Rig() { service.drop(); }
  std::unique_ptr<RpcHttp2Channel> connect(RpcHttp2ChannelOptions options = {}) {
    return std::make_unique<RpcHttp2Channel>(connect_to(client, where()), options,
                                             [this](const Status& why) { closed = why; });
  }
  [[nodiscard]] Endpoint where() const { return listener->sockets->local(); }

  Loop client{"both"};
  RpcServer server;
  TestService service{server};
  std::unique_ptr<Http2Server> listener;
  std::unique_ptr<RpcChannel> channel;
  std::optional<Status> closed;
};

// A server that answers each request with what a test says, over HTTP/2 or not.
struct ScriptedServer final : Http2SessionObserver {
  using Script = std::function<void(Http2Stream&)>;
  ScriptedServer(Loop& loop, Script with) : script(std::move(with)) {
    auto made = StreamListener::listen(loop, any_loopback_port(), {}, [this](std::unique_ptr<Stream> stream) {
      if (script) session = std::make_unique<Http2Session>(std::move(stream), Http2Session::Role::Server, Http2Options{}, *this);
      else raw = std::move(stream);
    });
    REQUIRE(made.ok());
    sockets = std::move(*made);
  }
  void on_request(std::unique_ptr<Http2Stream> stream, Http2Headers, bool) override {
    script(*stream);
    streams.push_back(std::move(stream));
  }
  void on_closed(const Status&) override {}

  Script script;
  std::vector<std::unique_ptr<Http2Stream>> streams;
  std::unique_ptr<Http2Session> session;
  std::unique_ptr<Stream> raw;
  std::unique_ptr<StreamListener> sockets;
};

const std::vector<Http2Header> kGrpcHead = {{":status", "200"}, {"content-type", "application/grpc"}};
const std::vector<Http2Header> kGrpcOk = {{"grpc-status", "0"}};

// What a call becomes when the server answers as scripted.
Error outcome_of(ScriptedServer::Script script) {
  Loop loop("both");
  ScriptedServer server(loop, std::move(script));
  RpcHttp2Channel channel(connect_to(loop, server.sockets->local()), {}, [](const Status&) {});
  std::optional<Result<Bytes>> result;
  const auto call = channel.call(kEcho, "x", loop.now() + kTestPatience, [&](Result<Bytes> got) { result = std::move(got); });
  REQUIRE(wait_for(loop, [&] { return result.has_value(); }));
  REQUIRE_FALSE(result->ok());
  return result->error();
}

}  // namespace

TEST_CASE("rpc over HTTP/2: a thousand calls at a time are answered") {
  Rig rig;
  rig.channel = rig.connect();
  std::vector<Answer> answers(1000);
  for (std::size_t n = 0; n < answers.size(); ++n) ask(rig, answers[n], kEcho, Bytes(n, 'a'));
  REQUIRE(wait_for(rig.client, [&] { return std::ranges::all_of(answers, &Answer::done); }));
  for (std::size_t n = 0; n < answers.size(); ++n) EXPECT_EQ((**answers[n].result).size(), n);
}

TEST_CASE("rpc over HTTP/2: the largest message goes both ways, and streams beside it go on") {
  Rig rig;
  rig.channel = rig.connect();
  Recorder recorder;
  const auto stream = rig.channel->open(kMirror, "", recorder);
  Answer large;
  const Bytes bytes(kRpcMessageBytesMax, 'L');
  ask(rig, large, kEcho, bytes);
  stream->send(share("small"));
  REQUIRE(wait_for(rig.client, [&] { return recorder.messages.size() == 2; }));
  EXPECT_FALSE(large.done());
  REQUIRE(wait_for(rig.client, [&] { return large.done(); }));
  REQUIRE(large.result->ok());
  EXPECT(**large.result == bytes);
}

TEST_CASE("rpc over HTTP/2: a call cancelled half-way through its request leaves the connection usable") {
  Rig rig;
  rig.channel = rig.connect();
  Answer large, small;
  ask(rig, large, kPark, Bytes(kRpcMessageBytesMax, 'x'));
  settle(rig.client, 2);
  large.call.reset();
  ask(rig, small, kEcho, "still here");
  REQUIRE(wait_for(rig.client, [&] { return small.done(); }));
  EXPECT_EQ(**small.result, "still here");
  EXPECT_EQ(rig.service.parked_total, 0);
}

TEST_CASE("rpc over HTTP/2: the peer's death ends what is open with Unavailable") {
  Loop loop("client");
  ScriptedServer server(loop, [](Http2Stream&) {});
  std::optional<Status> closed;
  RpcHttp2Channel channel(connect_to(loop, server.sockets->local()), {}, [&](const Status& why) { closed = why; });
  std::optional<Result<Bytes>> result;
  Recorder recorder;
  const auto call = channel.call(kEcho, "x", loop.now() + kTestPatience, [&](Result<Bytes> got) { result = std::move(got); });
  const auto stream = channel.open(kEcho, "x", recorder);
  REQUIRE(wait_for(loop, [&] { return server.streams.size() == 2; }));
  server.streams.clear();
  server.session.reset();
  REQUIRE(wait_for(loop, [&] { return result && recorder.end && closed; }));
  EXPECT_EQ(result->error().code, Code::Unavailable);
  EXPECT_EQ(recorder.end->error().code, Code::Unavailable);
  EXPECT_FALSE(channel.accepting());
}

TEST_CASE("rpc over HTTP/2: a peer that has gone silent is given up after its ping") {
  Loop loop("client");
  ScriptedServer server(loop, nullptr);
  std::optional<Status> closed;
  RpcHttp2ChannelOptions options;
  options.keepalive_interval = options.keepalive_time_max = milliseconds(20);
  RpcHttp2Channel channel(connect_to(loop, server.sockets->local()), options, [&](const Status& why) { closed = why; });
  std::optional<Result<Bytes>> result;
  const auto call = channel.call(kEcho, "x", loop.now() + kTestPatience, [&](Result<Bytes> got) { result = std::move(got); });
  REQUIRE(wait_for(loop, [&] { return result && closed; }));
  EXPECT_EQ(result->error().code, Code::Unavailable);
  EXPECT_EQ(closed->error().code, Code::Timeout);
}

TEST_CASE("rpc over HTTP/2: a client that has gone silent is given up by the server, a quiet one is not") {
  RpcHttp2ListenerOptions options;
  options.keepalive_interval = options.keepalive_time_max = milliseconds(20);
  Rig rig(options);
  rig.channel = rig.connect();
  Answer parked, echo;
  ask(rig, parked, kPark, "");
  const auto silent = connect_to(rig.client, rig.where());
  REQUIRE(wait_for(rig.client, [&] { return rig.listener->rpc.connections() == 2; }));
  REQUIRE(wait_for(rig.client, [&] { return rig.listener->rpc.connections() == 1; }));
  ask(rig, echo, kEcho, "quiet");
  REQUIRE(wait_for(rig.client, [&] { return echo.done(); }));
  EXPECT(echo.result->ok());
  EXPECT_EQ(rig.service.cancelled, 0);
}

TEST_CASE("rpc over HTTP/2: garbage ends its connection and no other") {
  Rig rig;
  rig.channel = rig.connect();
  for (const Bytes& garbage : {Bytes("GET / HTTP/1.1\r\nHost: x\r\n\r\n"), Bytes(1000, '\0'), Bytes(1000, '\xff'),
                               "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + Bytes(1000, '\xaa')}) {
    const auto stream = connect_to(rig.client, rig.where());
    RecordingObserver observer;
    stream->set_observer(&observer);
    stream->resume_reading();
    stream->write(garbage);
    REQUIRE(wait_for(rig.client, [&] { return observer.ended || observer.failure; }));
  }
  Answer echo;
  ask(rig, echo, kEcho, "fine");
  REQUIRE(wait_for(rig.client, [&] { return echo.done(); }));
  EXPECT(echo.result->ok());
}

TEST_CASE("rpc over HTTP/2: a server that speaks something else ends calls with Unavailable") {
  Loop loop("client");
  ScriptedServer server(loop, nullptr);
  std::optional<Status> closed;
  RpcHttp2Channel channel(connect_to(loop, server.sockets->local()), {}, [&](const Status& why) { closed = why; });
  std::optional<Result<Bytes>> result;
  const auto call = channel.call(kEcho, "x", loop.now() + kTestPatience, [&](Result<Bytes> got) { result = std::move(got); });
  REQUIRE(wait_for(loop, [&] { return server.raw != nullptr; }));
  server.raw->write("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
  REQUIRE(wait_for(loop, [&] { return result && closed; }));
  EXPECT_EQ(result->error().code, Code::Unavailable);
  EXPECT_EQ(closed->error().code, Code::Corrupt);
}

TEST_CASE("rpc over HTTP/2: requests that are not gRPC, or wrong gRPC, are refused with the reason") {
  Rig rig;
  RawClient raw(rig.client, rig.where());
  Loop& loop = rig.client;
  const std::string_view echo = kEcho.path;
  EXPECT_EQ(raw.ask(loop, {{":path", echo}}, "", "GET").http_status, "405");
  EXPECT_EQ(raw.ask(loop, {{":path", echo}, {"content-type", "text/plain"}}, "").http_status, "415");
  EXPECT_EQ(raw.call(loop, "/test.Service/Nope", framed("x")).grpc_status, "12");
  EXPECT_EQ(raw.call(loop, "/" + std::string(10'000, 'p'), framed("x")).grpc_status, "12");
  EXPECT_EQ(raw.call(loop, echo, framed("x"), "soon").grpc_status, "3");
  EXPECT_EQ(raw.call(loop, echo, "").grpc_status, "3");
  EXPECT_EQ(raw.call(loop, echo, framed("a") + framed("b")).grpc_status, "3");
  EXPECT_EQ(raw.call(loop, echo, grpc_prefix(kRpcMessageBytesMax + 1) + "x").grpc_status, "3");
  EXPECT_EQ(raw.call(loop, echo, Bytes("\1\0\0\0\1x", 6)).grpc_status, "12");
  EXPECT_EQ(raw.call(loop, echo, framed("cut").substr(0, 6)).grpc_status, "15");
  EXPECT_EQ(raw.call(loop, kHold.path, "").grpc_status, "3");
  EXPECT_EQ(raw.call(loop, kPark.path, framed(""), "10m").grpc_status, "4");
  EXPECT_EQ(rig.service.cancelled, 1);
  EXPECT_EQ(raw.call(loop, echo, framed("fine"), "5S").grpc_status, "0");
  EXPECT_FALSE(raw.closed.has_value());
}

TEST_CASE("rpc over HTTP/2: answers that are not gRPC, or wrong gRPC, become errors") {
  const auto with_body = [](Bytes body, std::vector<Http2Header> trailers) {
    return outcome_of([=](Http2Stream& stream) {
      stream.respond(kGrpcHead, false);
      stream.send(body);
      stream.end(trailers);
    });
  };
  const auto with_head = [](std::vector<Http2Header> head) {
    return outcome_of([=](Http2Stream& stream) { stream.respond(head, true); });
  };
  EXPECT_EQ(with_head({{":status", "503"}}).code, Code::Unavailable);
  EXPECT_EQ(with_head({{":status", "404"}}).code, Code::Unsupported);
  EXPECT_EQ(with_head({{":status", "200"}, {"content-type", "text/html"}}).code, Code::Internal);
  EXPECT_EQ(with_head({{":status", "200"}, {"grpc-status", "9"}, {"grpc-message", "a%20b%0a"}}).message, "a b\n");
  EXPECT_EQ(with_head(kGrpcHead).code, Code::Internal);
  EXPECT_EQ(with_body(framed("x"), {}).code, Code::Internal);
  EXPECT_EQ(with_body(framed("x"), {{"grpc-status", "many"}}).code, Code::Corrupt);
  EXPECT_EQ(with_body("", kGrpcOk).code, Code::Internal);
  EXPECT_EQ(with_body(framed("a") + framed("b"), kGrpcOk).code, Code::Internal);
  EXPECT_EQ(with_body(framed("cut").substr(0, 6), kGrpcOk).code, Code::Corrupt);
  EXPECT_EQ(with_body(framed("cut").substr(0, 6), {{"grpc-status", "8"}}).code, Code::Overloaded);
  EXPECT_EQ(with_body(grpc_prefix(kRpcMessageBytesMax + 1), kGrpcOk).code, Code::Invalid);
  EXPECT_EQ(outcome_of([](Http2Stream& stream) { stream.reset(Http2Error::EnhanceYourCalm); }).code, Code::Overloaded);
  EXPECT_EQ(outcome_of([](Http2Stream& stream) { stream.reset(Http2Error::RefusedStream); }).code, Code::Unavailable);
}

TEST_CASE("rpc over HTTP/2: an error's text arrives as it was, cut when it is long") {
  Rig rig;
  rig.channel = rig.connect();
  Answer first, second;
  ask(rig, first, kPark, "");
  REQUIRE(wait_for(rig.client, [&] { return rig.service.parked_total == 1; }));
  rig.service.parked->finish(error(Code::Io, "50 % \xc3\xa4\n"));
  ask(rig, second, kPark, "");
  REQUIRE(wait_for(rig.client, [&] { return rig.service.parked_total == 2; }));
  rig.service.parked->finish(error(Code::Denied, "{}", std::string(10'000, 'e')));
  REQUIRE(wait_for(rig.client, [&] { return first.done() && second.done(); }));
  EXPECT_EQ(first.result->error().code, Code::Io);
  EXPECT_EQ(first.result->error().message, "50 % \xc3\xa4\n");
  EXPECT_EQ(second.result->error().message.size(), kRpcErrorTextBytesMax);
}

TEST_CASE("rpc over HTTP/2: a connection without a certificate gets few streams, small messages and little time") {
  RpcHttp2ListenerOptions options;
  options.joining_time_max = milliseconds(100);
  options.joining_max = 1;
  Rig rig(options);
  rig.listener->peer = RpcPeer{RpcPeer::Kind::Joining, ""};
  rig.channel = rig.connect();
  Answer small, large;
  ask(rig, small, kWho, "");
  ask(rig, large, kEcho, Bytes(65 * 1024, 'x'));
  std::vector<Answer> parked(10);
  for (auto& one : parked) ask(rig, one, kPark, "");
  REQUIRE(wait_for(rig.client, [&] { return small.done() && large.done(); }));
  EXPECT_EQ(**small.result, "1 ");
  EXPECT_EQ(large.result->error().code, Code::Invalid);
  const auto second = connect_to(rig.client, rig.where());
  RecordingObserver observer;
  second->set_observer(&observer);
  second->resume_reading();
  REQUIRE(wait_for(rig.client, [&] { return observer.ended; }));
  EXPECT_FALSE(rig.closed.has_value());
  REQUIRE(wait_for(rig.client, [&] { return rig.closed.has_value(); }));
  EXPECT_LE(rig.service.parked_total, 4);
  EXPECT_EQ(rig.listener->rpc.connections(), 0u);
}

TEST_CASE("rpc over HTTP/2: one address cannot take all places of those without a certificate") {
  RpcHttp2ListenerOptions options;
  options.joining_per_address_max = 1;
  Rig rig(options);
  rig.listener->peer = RpcPeer{RpcPeer::Kind::Joining, ""};
  rig.channel = rig.connect();
  Answer first;
  ask(rig, first, kWho, "");
  REQUIRE(wait_for(rig.client, [&] { return first.done(); }));
  const auto second = connect_to(rig.client, rig.where());
  RecordingObserver observer;
  second->set_observer(&observer);
  second->resume_reading();
  REQUIRE(wait_for(rig.client, [&] { return observer.ended; }));
  EXPECT_FALSE(rig.closed.has_value());
  EXPECT_EQ(rig.listener->rpc.connections(), 1u);
}

TEST_CASE("rpc over HTTP/2: connections over the limit are closed at once") {
  RpcHttp2ListenerOptions options;
  options.connections_max = 1;
  Rig rig(options);
  rig.channel = rig.connect();
  Answer echo, refused;
  ask(rig, echo, kEcho, "");
  REQUIRE(wait_for(rig.client, [&] { return echo.done(); }));
  const auto second = rig.connect();
  refused.call = second->call(kEcho, "", rig.client.now() + kTestPatience, [&](Result<Bytes> got) { refused.result = std::move(got); });
  REQUIRE(wait_for(rig.client, [&] { return refused.done(); }));
  EXPECT_EQ(refused.result->error().code, Code::Unavailable);
}

TEST_CASE("rpc over HTTP/2: a stop lets calls finish, takes no new ones and forces the rest") {
  Rig rig;
  rig.channel = rig.connect();
  Recorder recorder;
  Answer parked, late;
  const auto stream = rig.channel->open(kHold, "", recorder);
  ask(rig, parked, kPark, "");
  REQUIRE(wait_for(rig.client, [&] { return rig.service.held_total == 1 && rig.service.parked_total == 1; }));
  bool stopped = false, going_away = false;
  auto& channel = static_cast<RpcHttp2Channel&>(*rig.channel);
  channel.set_on_going_away([&] { going_away = true; });
  rig.listener->rpc.stop(rig.client.now() + milliseconds(200), [&] { stopped = true; });
  REQUIRE(wait_for(rig.client, [&] { return going_away; }));
  EXPECT_FALSE(channel.accepting());
  ask(rig, late, kEcho, "");
  REQUIRE(wait_for(rig.client, [&] { return late.done(); }));
  EXPECT_EQ(late.result->error().code, Code::Unavailable);
  rig.service.parked->finish(Bytes("finished"));
  REQUIRE(wait_for(rig.client, [&] { return parked.done(); }));
  EXPECT_EQ(**parked.result, "finished");
  EXPECT_FALSE(recorder.end.has_value());
  REQUIRE(wait_for(rig.client, [&] { return stopped && recorder.end; }));
  EXPECT_EQ(recorder.end->error().code, Code::Unavailable);
  EXPECT_EQ(rig.service.closed, 1);
}

TEST_CASE("rpc over HTTP/2: the channel and the call may be destroyed in the answer's callback") {
  Rig rig;
  rig.channel = rig.connect();
  Answer answer, other;
  ask(rig, other, kPark, "");
  answer.call = rig.channel->call(kEcho, "x", rig.client.now() + kTestPatience, [&](Result<Bytes> result) {
    answer.result = std::move(result);
    answer.call.reset();
    rig.channel.reset();
  });
  REQUIRE(wait_for(rig.client, [&] { return other.done(); }));
  EXPECT(answer.result->ok());
  EXPECT_EQ(other.result->error().code, Code::Unavailable);
  EXPECT_FALSE(rig.closed.has_value());
  REQUIRE(wait_for(rig.client, [&] { return rig.service.cancelled == 1; }));
}

TEST_CASE("rpc over HTTP/2: connections, calls by method and code, and bytes are exported") {
  MetricRegistry registry;
  RpcHttp2ListenerOptions options;
  options.metrics = &registry;
  Rig rig(options);
  rig.channel = rig.connect({.metrics = &registry});
  Answer echo, fail, unknown;
  ask(rig, echo, kEcho, "abc");
  ask(rig, fail, kFail, "");
  ask(rig, unknown, kUnknown, "");
  REQUIRE(wait_for(rig.client, [&] { return echo.done() && fail.done() && unknown.done(); }));
  const std::string text = registry.prometheus_text();
  for (const auto* line : {"meshd_rpc_server_connections 1\n", "meshd_rpc_client_connections 1\n",
                           "meshd_rpc_server_calls_total{method=\"/test.Service/Echo\",code=\"ok\"} 1\n",
                           "meshd_rpc_client_calls_total{method=\"/test.Service/Fail\",code=\"conflict\"} 1\n",
                           "meshd_rpc_server_calls_total{method=\"unknown\",code=\"unsupported\"} 1\n",
                           "meshd_rpc_server_call_seconds_count{method=\"/test.Service/Echo\"} 1\n"}) {
    CAPTURE(line);
    EXPECT_NE(text.find(line), std::string::npos);
  }
  EXPECT_EQ(text.find("meshd_rpc_server_received_bytes_total 0\n"), std::string::npos);
  EXPECT_EQ(text.find("meshd_rpc_client_sent_bytes_total 0\n"), std::string::npos);
}

}  // namespace mesh::net
