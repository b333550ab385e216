// The contract of net/rpc.h, held by every transport: a transport joins by a fixture type in RPC_TRANSPORTS.
#include "net/rpc.h"

#include "tests/unit/net/rpc_tls_fixture.h"

namespace mesh::net {

#define RPC_TRANSPORTS LocalOneLoop, LocalTwoLoops, Http2OneLoop, Http2TwoLoops, Http2Tls

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

DOCTEST_TEST_CASE_TEMPLATE("rpc: a stream carries messages both ways until the client half-closes", Ends, RPC_TRANSPORTS) {
  Ends ends;
  Recorder recorder;
  auto stream = ends.channel->open(kMirror, "word", recorder);
  stream->send(share("a"));
  stream->send(share(""));
  REQUIRE(wait_for(ends.client, [&] { return recorder.messages.size() == 3; }));
  EXPECT_FALSE(recorder.end.has_value());
  stream->send(share("b"));
  stream->end_sending();
  REQUIRE(wait_for(ends.client, [&] { return recorder.end.has_value(); }));
  EXPECT_EQ(recorder.messages, (std::vector<std::string>{"first word", "re: a", "re: ", "re: b"}));
  EXPECT(recorder.end->ok());
  EXPECT(stream->send(share("after the end")));
}

DOCTEST_TEST_CASE_TEMPLATE("rpc: the client's messages wait until the server's handler listens", Ends, RPC_TRANSPORTS) {
  Ends ends;
  Recorder recorder;
  auto stream = ends.channel->open(kHold, "", recorder);
  for (int n = 0; n < 10; ++n) stream->send(share("early"));
  stream->end_sending();
  REQUIRE(spin_until(ends.client, [&] { return ends.service.half_closed == 1; }));
  EXPECT_EQ(ends.service.received, 10);
  ends.on_server([&] { ends.service.held->send(share("still open")); });
  REQUIRE(wait_for(ends.client, [&] { return recorder.messages.size() == 1; }));
}

DOCTEST_TEST_CASE_TEMPLATE("rpc: a paused server makes the client wait and a resumed one lets it go on", Ends,
                           RPC_TRANSPORTS) {
  Ends ends;
  Recorder recorder;
  auto stream = ends.channel->open(kHold, "", recorder);
  REQUIRE(spin_until(ends.client, [&] { return ends.service.held_total == 1; }));
  std::atomic<bool> paused{false};
  ends.on_server([&] {
    ends.service.held->pause();
    paused = true;
  });
  REQUIRE(spin_until(ends.client, [&] { return paused.load(); }));
  const SharedBytes message = share(Bytes(64 * 1024, 'm'));
  int sent = 1;
  while (stream->send(message) && sent < 1000) ++sent;
  EXPECT_LE(sent, static_cast<int>(kRpcStreamHighMarkBytes / message->size()) + 1);
  settle(ends.client);
  EXPECT_EQ(ends.service.received, 0);
  EXPECT_EQ(recorder.writable, 0);
  ends.on_server([&] { ends.service.held->resume(); });
  REQUIRE(wait_for(ends.client, [&] { return recorder.writable == 1; }));
  REQUIRE(spin_until(ends.client, [&] { return ends.service.received == sent; }));
}

DOCTEST_TEST_CASE_TEMPLATE("rpc: a client's message over the size limit ends its stream with Invalid", Ends, RPC_TRANSPORTS) {
  Ends ends;
  Recorder recorder;
  auto stream = ends.channel->open(kHold, "", recorder);
  REQUIRE(spin_until(ends.client, [&] { return ends.service.held_total == 1; }));
  stream->send(share(Bytes(kRpcMessageBytesMax + 1, 'x')));
  EXPECT_FALSE(recorder.end.has_value());
  REQUIRE(wait_for(ends.client, [&] { return recorder.end.has_value(); }));
  EXPECT_EQ(recorder.end->error().code, Code::Invalid);
  REQUIRE(spin_until(ends.client, [&] { return ends.service.closed == 1; }));
}

DOCTEST_TEST_CASE_TEMPLATE("rpc: a server too far behind loses the stream with Overloaded", Ends, RPC_TRANSPORTS) {
  Ends ends;
  Recorder recorder;
  auto stream = ends.channel->open(kHold, "", recorder);
  REQUIRE(spin_until(ends.client, [&] { return ends.service.held_total == 1; }));
  const SharedBytes one = share(Bytes(8 << 20, 'm'));
  for (int n = 0; n < 20; ++n) stream->send(one);
  REQUIRE(spin_until(ends.client, [&] { return ends.service.closed == 1 && recorder.end.has_value(); }));
  EXPECT_EQ(recorder.end->error().code, Code::Overloaded);
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
