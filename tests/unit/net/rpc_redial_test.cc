#include "net/rpc_redial.h"

#include "tests/unit/net/rpc_fixture.h"

namespace mesh::net {

namespace {

RpcRedialOptions quick() {
  RpcRedialOptions options;
  options.pause_min = milliseconds(1);
  options.pause_max = milliseconds(5);
  options.stable_time = Duration::zero();
  return options;
}

// One server on its own port, told apart by the name that its Who answers.
struct NamedServer {
  explicit NamedServer(Loop& loop, const std::string& name) : service(rpc), ends(std::make_unique<Http2Server>(loop, rpc)) {
    ends->peer.id = name;
    where = ends->sockets->local();
  }
  ~NamedServer() {
    service.drop();
    ends.reset();
  }
  RpcServer rpc;
  TestService service;
  std::unique_ptr<Http2Server> ends;
  Endpoint where;
};

struct Rig {
  Loop loop{"test"};
  PlainDialer dialer{loop};
  std::unique_ptr<RpcRedialChannel> channel = std::make_unique<RpcRedialChannel>(loop, dialer, Rng(3), quick());
  Loop& client = loop;

  [[nodiscard]] bool connect() {
    return wait_for(loop, [&] { return channel->state().connected; });
  }
  std::string who() {
    std::optional<Result<Bytes>> result;
    const auto call = channel->call(kWho, "", loop.now() + kTestPatience, [&](Result<Bytes> got) { result = std::move(got); });
    REQUIRE(wait_for(loop, [&] { return result.has_value(); }));
    return result->ok() ? **result : std::string(code_name(result->error().code)) + ": " + result->error().message;
  }
};

}  // namespace

TEST_CASE("redial: without a connection calls and streams fail at once and say why") {
  Rig rig;
  EXPECT_EQ(rig.who(), "unavailable: not connected to a server: no server is known");
  Recorder recorder;
  const auto stream = rig.channel->open(kCount, "1", recorder);
  EXPECT(stream->send(share("dropped")));
  EXPECT_FALSE(recorder.end.has_value());
  REQUIRE(wait_for(rig.loop, [&] { return recorder.end.has_value(); }));
  EXPECT_EQ(recorder.end->error().code, Code::Unavailable);
  EXPECT_EQ(rig.channel->describe(), "not connected: no server is known");
}

TEST_CASE("redial: a refused connection is told with its server and tried again with a pause") {
  Rig rig;
  Endpoint nobody;
  {
    NamedServer gone(rig.loop, "gone");
    nobody = gone.where;
  }
  rig.channel->set_endpoints({nobody});
  REQUIRE(wait_for(rig.loop, [&] { return rig.channel->state().failures >= 3; }));
  EXPECT_NE(rig.who().find(nobody.to_string()), std::string::npos);
  REQUIRE(wait_for(rig.loop, [&] { return rig.channel->state().next_attempt != kNever; }));
  EXPECT_NE(rig.channel->describe().find("next in"), std::string::npos);
}

TEST_CASE("redial: when a server dies the channel moves to another one") {
  Rig rig;
  std::optional<NamedServer> a(std::in_place, rig.loop, "a");
  std::optional<NamedServer> b(std::in_place, rig.loop, "b");
  rig.channel->set_endpoints({a->where, b->where});
  REQUIRE(rig.connect());
  int changes = 0;
  rig.channel->set_on_change([&] { ++changes; });
  const std::string first = rig.who();
  Answer parked;
  ask(rig, parked, kPark, "");
  auto& used = first == "2 a" ? a : b;
  REQUIRE(wait_for(rig.loop, [&] { return used->service.parked_total == 1; }));
  used.reset();
  REQUIRE(wait_for(rig.loop, [&] { return parked.done() && changes == 2; }));
  EXPECT_EQ(parked.result->error().code, Code::Unavailable);
  EXPECT_EQ(rig.who(), first == "2 a" ? "2 b" : "2 a");
  EXPECT_EQ(rig.channel->state().failures, 0u);
}

TEST_CASE("redial: a server that goes away finishes its calls while new ones go to another") {
  Rig rig;
  NamedServer a(rig.loop, "a");
  rig.channel->set_endpoints({a.where});
  REQUIRE(rig.connect());
  Answer parked;
  ask(rig, parked, kPark, "");
  REQUIRE(wait_for(rig.loop, [&] { return a.service.parked_total == 1; }));
  NamedServer b(rig.loop, "b");
  bool stopped = false;
  a.ends->sockets.reset();
  a.ends->rpc.stop(rig.loop.now() + kTestPatience, [&] { stopped = true; });
  rig.channel->set_endpoints({a.where, b.where});
  REQUIRE(wait_for(rig.loop, [&] { return rig.channel->state().connected && rig.channel->state().server == b.where; }));
  EXPECT_EQ(rig.who(), "2 b");
  EXPECT_FALSE(parked.done());
  EXPECT_FALSE(stopped);
  std::exchange(a.service.parked, nullptr)->finish(Bytes("in peace"));
  REQUIRE(wait_for(rig.loop, [&] { return parked.done() && stopped; }));
  EXPECT_EQ(**parked.result, "in peace");
}

TEST_CASE("redial: renew makes a new connection and lets the old one finish") {
  Rig rig;
  NamedServer a(rig.loop, "before");
  rig.channel->set_endpoints({a.where});
  REQUIRE(rig.connect());
  Answer parked;
  ask(rig, parked, kPark, "");
  REQUIRE(wait_for(rig.loop, [&] { return a.service.parked_total == 1; }));
  a.ends->peer.id = "after";
  rig.channel->renew();
  EXPECT_EQ(rig.who(), "2 before");
  REQUIRE(wait_for(rig.loop, [&] { return a.ends->rpc.connections() == 2; }));
  REQUIRE(wait_for(rig.loop, [&] { return rig.who() == "2 after"; }));
  std::exchange(a.service.parked, nullptr)->finish(Bytes("old"));
  REQUIRE(wait_for(rig.loop, [&] { return parked.done() && a.ends->rpc.connections() == 1; }));
  EXPECT_EQ(**parked.result, "old");
}

TEST_CASE("redial: a server that leaves the list is replaced") {
  Rig rig;
  NamedServer a(rig.loop, "a"), b(rig.loop, "b");
  rig.channel->set_endpoints({a.where});
  REQUIRE(rig.connect());
  rig.channel->set_endpoints({b.where});
  REQUIRE(wait_for(rig.loop, [&] { return rig.channel->state().server == b.where; }));
  REQUIRE(wait_for(rig.loop, [&] { return a.ends->rpc.connections() == 0; }));
  EXPECT_EQ(rig.who(), "2 b");
}

TEST_CASE("redial: when servers are added, some of the channels move there and none is without a server") {
  Loop loop{"test"};
  PlainDialer dialer{loop};
  NamedServer a(loop, "a"), b(loop, "b");
  std::vector<std::unique_ptr<RpcRedialChannel>> channels;
  for (std::uint64_t i = 0; i < 24; ++i) {
    channels.push_back(std::make_unique<RpcRedialChannel>(loop, dialer, Rng(i), quick()));
    channels.back()->set_endpoints({a.where});
  }
  const auto connected_to = [&](const Endpoint& server) {
    return std::count_if(channels.begin(), channels.end(), [&](const auto& each) {
      return each->state().connected && each->state().server == server;
    });
  };
  REQUIRE(wait_for(loop, [&] { return connected_to(a.where) == 24; }));
  for (auto& channel : channels) channel->set_endpoints({a.where, b.where});
  REQUIRE(wait_for(loop, [&] { return connected_to(b.where) >= 4 && a.ends->rpc.connections() + b.ends->rpc.connections() == 24; }));
  EXPECT_GE(connected_to(a.where), 4);
  for (auto& channel : channels) EXPECT(channel->state().connected);
}

}  // namespace mesh::net
