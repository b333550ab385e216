// The contract of net/rpc.h, held by every transport: a transport joins by a fixture type in RPC_TRANSPORTS.
#include "net/rpc.h"

#include <atomic>
#include <functional>

#include "base/thread.h"
#include "net/rpc_local.h"
#include "tests/unit/net/net_fixture.h"

namespace mesh::net {

namespace {

constexpr RpcMethod kEcho{"/test.Service/Echo"};
constexpr RpcMethod kFail{"/test.Service/Fail"};
constexpr RpcMethod kPark{"/test.Service/Park"};
constexpr RpcMethod kDrop{"/test.Service/Drop"};
constexpr RpcMethod kWho{"/test.Service/Who"};
constexpr RpcMethod kCount{"/test.Service/Count"};
constexpr RpcMethod kHold{"/test.Service/Hold"};
constexpr RpcMethod kUnknown{"/test.Service/Unknown"};

// A server whose handlers the tests drive. Lives on the server's loop; the counters are read by the client's.
struct TestService {
  struct Held final : RpcServerStreamObserver {
    void on_writable() override { ++service->writable; }
    void on_closed() override {
      ++service->closed;
      service->held.reset();
    }
    TestService* service = nullptr;
  };

  explicit TestService(RpcServer& server) {
    held_observer.service = this;
    server.handle(kEcho, [](RpcRequest request, RpcReply reply) { reply.finish(std::move(request.body)); });
    server.handle(kFail, [](RpcRequest, RpcReply reply) { reply.finish(error(Code::Conflict, "as asked")); });
    server.handle(kDrop, [](RpcRequest, RpcReply) {});
    server.handle(kWho, [](RpcRequest request, RpcReply reply) {
      reply.finish(fmt::format("{} {}", static_cast<int>(request.peer.kind), request.peer.id));
    });
    server.handle(kPark, [this](RpcRequest, RpcReply reply) {
      parked = std::make_unique<RpcReply>(std::move(reply));
      parked->on_cancelled([this] {
        ++cancelled;
        parked.reset();
      });
      ++parked_total;
    });
    server.handle_stream(kCount, [](RpcRequest request, std::unique_ptr<RpcServerStream> stream) {
      for (int n = 0; n < std::stoi(request.body); ++n) stream->send(share(std::to_string(n)));
      stream->end({});
    });
    server.handle_stream(kHold, [this](RpcRequest, std::unique_ptr<RpcServerStream> stream) {
      held = std::move(stream);
      held->set_observer(&held_observer);
      ++held_total;
    });
  }

  std::unique_ptr<RpcReply> parked;
  std::unique_ptr<RpcServerStream> held;
  Held held_observer;
  std::atomic<int> parked_total{0}, held_total{0}, cancelled{0}, writable{0}, closed{0};
};

struct Recorder final : RpcStreamObserver {
  void on_message(ByteView message) override {
    messages.emplace_back(message);
    if (on_each) on_each();
  }
  void on_end(Status status) override {
    EXPECT_FALSE(end.has_value());
    end = std::move(status);
  }
  std::vector<std::string> messages;
  std::optional<Status> end;
  std::function<void()> on_each;
};

// ---- transports: client loop, how to run on the server's loop, a channel, how to end the server ----

struct LocalOneLoop {
  Loop client{"both"};
  RpcServer server;
  TestService service{server};
  std::unique_ptr<LocalRpcListener> listener = std::make_unique<LocalRpcListener>(client, server);
  std::unique_ptr<RpcChannel> channel = listener->connect(client, RpcPeer{RpcPeer::Kind::Agent, "node-7"});

  void on_server(UniqueFunction<void()> fn) { client.post(std::move(fn)); }
  void end_server() { listener.reset(); }
  ~LocalOneLoop() {
    service.held.reset();
    service.parked.reset();
  }
};

struct LocalTwoLoops {
  Loop client{"client"};
  Loop server_loop{"server"};
  RpcServer server;
  TestService service{server};
  std::unique_ptr<LocalRpcListener> listener = std::make_unique<LocalRpcListener>(server_loop, server);
  std::unique_ptr<RpcChannel> channel = listener->connect(client, RpcPeer{RpcPeer::Kind::Agent, "node-7"});
  Thread thread{"server", [this] { server_loop.run(); }};

  void on_server(UniqueFunction<void()> fn) { server_loop.post(std::move(fn)); }
  void end_server() {
    server_loop.post([this] { listener.reset(); });
  }
  ~LocalTwoLoops() {
    server_loop.post([this] {
      service.held.reset();
      service.parked.reset();
      listener.reset();
    });
    server_loop.stop();
    thread.join();
  }
};

#define RPC_TRANSPORTS LocalOneLoop, LocalTwoLoops

// Turns the client's loop until the other loop has done something that posts nothing here.
template <class Condition>
bool spin_until(Loop& client, Condition condition) {
  return client.run_until(
      [&] {
        client.post([] {});
        return condition();
      },
      kTestPatience);
}

struct Answer {
  std::optional<Result<Bytes>> result;
  std::unique_ptr<RpcCall> call;
  [[nodiscard]] bool done() const { return result.has_value(); }
};

template <class Ends>
void ask(Ends& ends, Answer& answer, RpcMethod method, Bytes request, Duration within = kTestPatience) {
  answer.call = ends.channel->call(method, std::move(request), ends.client.now() + within, [&answer](Result<Bytes> result) {
    REQUIRE_FALSE(answer.result.has_value());
    answer.result = std::move(result);
  });
}

}  // namespace

DOCTEST_TEST_CASE_TEMPLATE("rpc: calls are answered, not inside the call that started them", Ends, RPC_TRANSPORTS) {
  Ends ends;
  Answer echo, fail, drop, unknown, who;
  ask(ends, echo, kEcho, Bytes("a\0b", 3));
  ask(ends, fail, kFail, "");
  ask(ends, drop, kDrop, "");
  ask(ends, unknown, kUnknown, "");
  ask(ends, who, kWho, "");
  EXPECT_FALSE(echo.done());
  REQUIRE(wait_for(ends.client, [&] {
    return echo.done() && fail.done() && drop.done() && unknown.done() && who.done();
  }));
  REQUIRE(echo.result->ok());
  EXPECT_EQ(**echo.result, Bytes("a\0b", 3));
  EXPECT_EQ(fail.result->error().code, Code::Conflict);
  EXPECT_EQ(fail.result->error().message, "as asked");
  EXPECT_EQ(drop.result->error().code, Code::Unavailable);
  EXPECT_EQ(unknown.result->error().code, Code::Unsupported);
  EXPECT_EQ(**who.result, "2 node-7");
}

DOCTEST_TEST_CASE_TEMPLATE("rpc: a call ends at its deadline and the handler hears of it", Ends, RPC_TRANSPORTS) {
  Ends ends;
  Answer parked;
  ask(ends, parked, kPark, "", milliseconds(10));
  REQUIRE(wait_for(ends.client, [&] { return parked.done(); }));
  EXPECT_EQ(parked.result->error().code, Code::Timeout);
  REQUIRE(spin_until(ends.client, [&] { return ends.service.cancelled == 1; }));
}

DOCTEST_TEST_CASE_TEMPLATE("rpc: destroying a call cancels it at both ends", Ends, RPC_TRANSPORTS) {
  Ends ends;
  Answer parked;
  ask(ends, parked, kPark, "");
  REQUIRE(spin_until(ends.client, [&] { return ends.service.parked_total == 1; }));
  parked.call.reset();
  REQUIRE(spin_until(ends.client, [&] { return ends.service.cancelled == 1; }));
  EXPECT_FALSE(parked.done());
}

DOCTEST_TEST_CASE_TEMPLATE("rpc: an answer given later arrives", Ends, RPC_TRANSPORTS) {
  Ends ends;
  Answer parked;
  ask(ends, parked, kPark, "");
  REQUIRE(spin_until(ends.client, [&] { return ends.service.parked_total == 1; }));
  ends.on_server([&ends] { std::exchange(ends.service.parked, nullptr)->finish(Bytes("late")); });
  REQUIRE(wait_for(ends.client, [&] { return parked.done(); }));
  EXPECT_EQ(**parked.result, "late");
}

DOCTEST_TEST_CASE_TEMPLATE("rpc: a request over the size limit is refused without being sent", Ends, RPC_TRANSPORTS) {
  Ends ends;
  Answer large;
  ask(ends, large, kEcho, Bytes(kRpcMessageBytesMax + 1, 'x'));
  EXPECT_FALSE(large.done());
  REQUIRE(wait_for(ends.client, [&] { return large.done(); }));
  EXPECT_EQ(large.result->error().code, Code::Invalid);
}

DOCTEST_TEST_CASE_TEMPLATE("rpc: a stream delivers its messages in order and its end once", Ends, RPC_TRANSPORTS) {
  Ends ends;
  Recorder recorder;
  auto stream = ends.channel->open(kCount, "1000", recorder);
  EXPECT(recorder.messages.empty());
  REQUIRE(wait_for(ends.client, [&] { return recorder.end.has_value(); }));
  REQUIRE_EQ(recorder.messages.size(), 1000u);
  for (std::size_t n = 0; n < 1000; ++n) EXPECT_EQ(recorder.messages[n], std::to_string(n));
  EXPECT(recorder.end->ok());
}

DOCTEST_TEST_CASE_TEMPLATE("rpc: an unknown stream ends with Unsupported", Ends, RPC_TRANSPORTS) {
  Ends ends;
  Recorder recorder;
  auto stream = ends.channel->open(kUnknown, "", recorder);
  REQUIRE(wait_for(ends.client, [&] { return recorder.end.has_value(); }));
  EXPECT_EQ(recorder.end->error().code, Code::Unsupported);
}

DOCTEST_TEST_CASE_TEMPLATE("rpc: a paused client makes the server wait and a resumed one lets it go on", Ends,
                           RPC_TRANSPORTS) {
  Ends ends;
  Recorder recorder;
  auto stream = ends.channel->open(kHold, "", recorder);
  stream->pause();
  REQUIRE(spin_until(ends.client, [&] { return ends.service.held_total == 1; }));
  std::atomic<int> sent{0};
  ends.on_server([&] {
    bool go_on = true;
    int count = 0;
    for (; go_on && count < 1000; ++count) go_on = ends.service.held->send(share(Bytes(64 * 1024, 'm')));
    sent = count;
  });
  REQUIRE(spin_until(ends.client, [&] { return sent != 0; }));
  EXPECT_LE(sent, static_cast<int>(kRpcStreamHighMarkBytes / (64 * 1024)) + 1);
  settle(ends.client);
  EXPECT(recorder.messages.empty());
  EXPECT_EQ(ends.service.writable, 0);
  stream->resume();
  EXPECT(recorder.messages.empty());
  REQUIRE(spin_until(ends.client, [&] { return ends.service.writable == 1; }));
  REQUIRE(spin_until(ends.client, [&] { return recorder.messages.size() == static_cast<std::size_t>(sent); }));
  ends.on_server([&] { ends.service.held->end(error(Code::Precondition, "moved")); });
  REQUIRE(wait_for(ends.client, [&] { return recorder.end.has_value(); }));
  EXPECT_EQ(recorder.end->error().message, "moved");
}

DOCTEST_TEST_CASE_TEMPLATE("rpc: destroying a stream tells the server, also inside a message", Ends, RPC_TRANSPORTS) {
  Ends ends;
  Recorder recorder;
  auto stream = ends.channel->open(kHold, "", recorder);
  recorder.on_each = [&] { stream.reset(); };
  REQUIRE(spin_until(ends.client, [&] { return ends.service.held_total == 1; }));
  ends.on_server([&] {
    ends.service.held->send(share("one"));
    ends.service.held->send(share("two"));
  });
  REQUIRE(spin_until(ends.client, [&] { return ends.service.closed == 1; }));
  EXPECT_EQ(recorder.messages.size(), 1u);
  EXPECT_FALSE(recorder.end.has_value());
}

DOCTEST_TEST_CASE_TEMPLATE("rpc: a client too far behind loses the stream with Overloaded", Ends, RPC_TRANSPORTS) {
  Ends ends;
  Recorder recorder;
  auto stream = ends.channel->open(kHold, "", recorder);
  stream->pause();
  REQUIRE(spin_until(ends.client, [&] { return ends.service.held_total == 1; }));
  ends.on_server([&] {
    const SharedBytes one = share(Bytes(8 << 20, 'm'));
    for (int n = 0; n < 20 && ends.service.held != nullptr; ++n) ends.service.held->send(one);
  });
  REQUIRE(spin_until(ends.client, [&] { return ends.service.closed == 1; }));
  stream->resume();
  REQUIRE(wait_for(ends.client, [&] { return recorder.end.has_value(); }));
  EXPECT_EQ(recorder.end->error().code, Code::Overloaded);
}

DOCTEST_TEST_CASE_TEMPLATE("rpc: the server's end breaks calls and streams with Unavailable", Ends, RPC_TRANSPORTS) {
  Ends ends;
  Recorder recorder;
  Answer parked, later;
  auto stream = ends.channel->open(kHold, "", recorder);
  ask(ends, parked, kPark, "");
  REQUIRE(spin_until(ends.client, [&] { return ends.service.held_total == 1 && ends.service.parked_total == 1; }));
  ends.end_server();
  REQUIRE(spin_until(ends.client, [&] { return parked.done() && recorder.end.has_value(); }));
  EXPECT_EQ(parked.result->error().code, Code::Unavailable);
  EXPECT_EQ(recorder.end->error().code, Code::Unavailable);
  EXPECT_EQ(ends.service.cancelled, 1);
  EXPECT_EQ(ends.service.closed, 1);
  ask(ends, later, kEcho, "");
  REQUIRE(wait_for(ends.client, [&] { return later.done(); }));
  EXPECT_EQ(later.result->error().code, Code::Unavailable);
}

TEST_CASE("a local channel outlives the loop of its server") {
  Loop client("client");
  RpcServer server;
  TestService service(server);
  std::unique_ptr<RpcChannel> channel;
  Answer never_taken, after;
  {
    Loop server_loop("server");
    LocalRpcListener listener(server_loop, server);
    channel = listener.connect(client);
    never_taken.call = channel->call(kEcho, "x", client.now() + kTestPatience,
                                     [&](Result<Bytes> result) { never_taken.result = std::move(result); });
  }
  after.call = channel->call(kEcho, "x", client.now() + kTestPatience,
                             [&](Result<Bytes> result) { after.result = std::move(result); });
  REQUIRE(wait_for(client, [&] { return never_taken.done() && after.done(); }));
  EXPECT_EQ(never_taken.result->error().code, Code::Unavailable);
  EXPECT_EQ(after.result->error().code, Code::Unavailable);
}

}  // namespace mesh::net
