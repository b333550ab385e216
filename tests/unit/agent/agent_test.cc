#include "agent/agent.h"

#include "tests/unit/net/net_fixture.h"

namespace mesh::agent {
namespace {

// No server: calls and streams are taken and never answered.
struct SilentChannel final : net::RpcChannel {
  struct Call final : net::RpcCall {};
  struct Stream final : net::RpcStream {
    bool send(net::SharedBytes) override { return true; }
    void end_sending() override {}
    void pause() override {}
    void resume() override {}
  };
  std::unique_ptr<net::RpcCall> call(net::RpcMethod, Bytes, MonoTime, OnReply) override {
    return std::make_unique<Call>();
  }
  std::unique_ptr<net::RpcStream> open(net::RpcMethod, Bytes, net::RpcStreamObserver&) override {
    return std::make_unique<Stream>();
  }
};

struct Fixture {
  static AgentOptions options() {
    AgentOptions options;
    options.node.id = model::NodeId("11111111-1111-1111-1111-111111111111");
    options.node.name = "host-a";
    options.node.datacenter = "dc1";
    return options;
  }

  net::Loop loop{"test"};
  SilentChannel channel;
  AgentViewPtr view;
  Agent agent{loop, channel, Rng(1), options(), [this](AgentViewPtr next) { view = std::move(next); }};
};

model::ServiceDefinition web_with(model::CheckDefinition check) {
  model::ServiceDefinition definition;
  definition.name = "web";
  definition.port = 80;
  definition.checks = {std::move(check)};
  return definition;
}

TEST_CASE("without a server the agent runs checks and shows what they find") {
  Fixture f;
  auto listener = net::StreamListener::listen(f.loop, net::any_loopback_port(), {}, [](auto) {});
  REQUIRE(listener.ok());
  model::CheckDefinition check;
  check.tcp = (*listener)->local().to_string();
  check.interval = model::kCheckIntervalMin;
  REQUIRE(f.agent.start({web_with(check)}).ok());
  EXPECT_EQ(f.view->local.checks().find("service:web")->row.status, model::CheckStatus::Critical);
  REQUIRE(net::wait_for(f.loop, [&] {
    return f.view->local.checks().find("service:web")->row.status == model::CheckStatus::Passing;
  }));
}

TEST_CASE("a service whose check has been critical for too long is deregistered") {
  Fixture f;
  model::CheckDefinition check;
  check.ttl = seconds(60);
  check.deregister_after = milliseconds(10);
  REQUIRE(f.agent.start({web_with(check)}).ok());
  EXPECT_EQ(f.view->local.services().size(), 1u);
  REQUIRE(net::wait_for(f.loop, [&] { return f.view->local.services().empty(); }));
  EXPECT(f.view->local.checks().empty());
}

}  // namespace
}  // namespace mesh::agent
