// What the tests of the RPC transports share: a service whose handlers they drive, recorders, and one type per transport
// (client loop, channel, how to run on the server's loop, how to end the server).
#pragma once

#include <atomic>
#include <functional>
#include <string>
#include <vector>

#include "base/thread.h"
#include "net/rpc.h"
#include "net/rpc_http2.h"
#include "net/rpc_local.h"
#include "tests/unit/net/net_fixture.h"

namespace mesh::net {

inline constexpr RpcMethod kEcho{"/test.Service/Echo"};
inline constexpr RpcMethod kFail{"/test.Service/Fail"};
inline constexpr RpcMethod kPark{"/test.Service/Park"};
inline constexpr RpcMethod kDrop{"/test.Service/Drop"};
inline constexpr RpcMethod kWho{"/test.Service/Who"};
inline constexpr RpcMethod kCount{"/test.Service/Count"};
inline constexpr RpcMethod kHold{"/test.Service/Hold"};
inline constexpr RpcMethod kMirror{"/test.Service/Mirror"};
inline constexpr RpcMethod kUnknown{"/test.Service/Unknown"};

// Sends back what comes, and ends when the client has. Owns itself through the service.
struct Mirror final : RpcServerStreamObserver {
  void on_message(ByteView message) override { stream->send(share("re: " + Bytes(message))); }
  void on_end() override { stream->end({}); }
  void on_writable() override {}
  void on_closed() override {}
  std::unique_ptr<RpcServerStream> stream;
};

// A server whose handlers the tests drive. Lives on the server's loop; the counters are read by the client's.
struct TestService {
  struct Held final : RpcServerStreamObserver {
    void on_message(ByteView message) override {
      service->received_bytes += message.size();
      ++service->received;
    }
    void on_end() override { ++service->half_closed; }
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
    server.handle_stream(kMirror, [this](RpcRequest request, std::unique_ptr<RpcServerStream> stream) {
      stream->send(share("first " + request.body));
      mirrors.push_back(std::make_unique<Mirror>());
      mirrors.back()->stream = std::move(stream);
      mirrors.back()->stream->set_observer(mirrors.back().get());
    });
  }
  // On the server's loop.
  void drop() {
    held.reset();
    parked.reset();
    mirrors.clear();
  }

  std::unique_ptr<RpcReply> parked;
  std::vector<std::unique_ptr<Mirror>> mirrors;
  std::unique_ptr<RpcServerStream> held;
  Held held_observer;
  std::atomic<int> parked_total{0}, held_total{0}, cancelled{0}, writable{0}, closed{0};
  std::atomic<int> received{0}, half_closed{0};
  std::atomic<std::size_t> received_bytes{0};
};

struct Recorder final : RpcStreamObserver {
  void on_message(ByteView message) override {
    messages.emplace_back(message);
    if (on_each) on_each();
  }
  void on_writable() override { ++writable; }
  void on_end(Status status) override {
    EXPECT_FALSE(end.has_value());
    end = std::move(status);
  }
  std::vector<std::string> messages;
  std::optional<Status> end;
  int writable = 0;
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
  ~LocalOneLoop() { service.drop(); }
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
      service.drop();
      listener.reset();
    });
    server_loop.stop();
    thread.join();
  }
};

// The server's side of HTTP/2: plain TCP on loopback, whoever connects is agent node-7.
struct Http2Server {
  Http2Server(Loop& loop, RpcServer& server, const RpcHttp2ListenerOptions& options = {}) : rpc(loop, server, options) {
    auto made = StreamListener::listen(loop, any_loopback_port(), {}, [this](std::unique_ptr<Stream> stream) {
      rpc.adopt(std::move(stream), peer);
    });
    REQUIRE(made.ok());
    sockets = std::move(*made);
  }
  RpcPeer peer{RpcPeer::Kind::Agent, "node-7"};
  RpcHttp2Listener rpc;
  std::unique_ptr<StreamListener> sockets;
};

inline std::unique_ptr<Stream> connect_to(Loop& loop, const Endpoint& where) {
  std::unique_ptr<Stream> stream;
  StreamConnect connect(loop, where, ConnectOptions{.deadline = loop.now() + kTestPatience},
                        [&](Result<std::unique_ptr<Stream>> result) {
                          REQUIRE(result.ok());
                          stream = std::move(*result);
                        });
  REQUIRE(wait_for(loop, [&] { return stream != nullptr; }));
  return stream;
}

struct Http2OneLoop {
  Loop client{"both"};
  RpcServer server;
  TestService service{server};
  std::unique_ptr<Http2Server> listener = std::make_unique<Http2Server>(client, server);
  std::optional<Status> closed;
  std::unique_ptr<RpcChannel> channel =
      std::make_unique<RpcHttp2Channel>(connect_to(client, listener->sockets->local()), RpcHttp2ChannelOptions{},
                                        [this](const Status& why) { closed = why; });

  void on_server(UniqueFunction<void()> fn) { client.post(std::move(fn)); }
  void end_server() { listener.reset(); }
  ~Http2OneLoop() { service.drop(); }
};

struct Http2TwoLoops {
  Loop client{"client"};
  Loop server_loop{"server"};
  RpcServer server;
  TestService service{server};
  std::unique_ptr<Http2Server> listener = std::make_unique<Http2Server>(server_loop, server);
  const Endpoint where = listener->sockets->local();
  Thread thread{"server", [this] { server_loop.run(); }};
  std::unique_ptr<RpcChannel> channel =
      std::make_unique<RpcHttp2Channel>(connect_to(client, where), RpcHttp2ChannelOptions{}, [](const Status&) {});

  void on_server(UniqueFunction<void()> fn) { server_loop.post(std::move(fn)); }
  void end_server() {
    server_loop.post([this] { listener.reset(); });
  }
  ~Http2TwoLoops() {
    server_loop.post([this] {
      service.drop();
      listener.reset();
    });
    server_loop.stop();
    thread.join();
  }
};

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

}  // namespace mesh::net
