#include "agent/agent.h"

#include "base/clock.h"
#include "base/file.h"
#include "tests/unit/agent/catalog_rows.h"
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
  static AgentOptions options(std::string data_dir = {}) {
    AgentOptions options;
    options.data_dir = std::move(data_dir);
    options.cluster_id = "c0000000-0000-4000-8000-000000000000";
    options.node.id = model::NodeId("11111111-1111-1111-1111-111111111111");
    options.node.name = "host-a";
    options.node.datacenter = "dc1";
    return options;
  }

  explicit Fixture(std::string data_dir = {}) : data_dir_(std::move(data_dir)) {}

  std::string data_dir_;
  net::Loop loop{"test"};
  SilentChannel channel;
  AgentViewPtr view;
  Agent agent{loop, channel, Rng(1), options(data_dir_), [this](AgentViewPtr next) { view = std::move(next); }};
};

model::ServiceDefinition web_with(model::CheckDefinition check) {
  model::ServiceDefinition definition;
  definition.name = "web";
  definition.port = 80;
  definition.checks = {std::move(check)};
  return definition;
}

// Every call is refused as a removed node's are.
struct RefusingChannel final : net::RpcChannel {
  explicit RefusingChannel(net::Loop& on) : loop(on) {}
  std::unique_ptr<net::RpcCall> call(net::RpcMethod, Bytes, MonoTime, OnReply on_reply) override {
    loop.post([on_reply = std::move(on_reply), why = text]() mutable { on_reply(error(Code::Denied, "{}", why)); });
    return std::make_unique<SilentChannel::Call>();
  }
  std::unique_ptr<net::RpcStream> open(net::RpcMethod, Bytes, net::RpcStreamObserver&) override {
    return std::make_unique<SilentChannel::Stream>();
  }
  net::Loop& loop;
  std::string text = fmt::format("node host-a {}", model::kRemovedWords);
};

TEST_CASE("an agent whose node was removed says so once, with what to do; another refusal says nothing of the kind") {
  net::Loop loop("test");
  RefusingChannel channel(loop);
  std::vector<std::string> told;
  const auto run = [&](auto until) {
    Agent agent(loop, channel, Rng(1), Fixture::options(), [](const AgentViewPtr&) {});
    agent.set_on_removed([&](const Error& why) { told.push_back(why.message); });
    REQUIRE(agent.start({}).ok());
    return until();
  };
  channel.text = "node host-a is no member of this cluster";
  run([&] { net::settle(loop, 20); });
  EXPECT(told.empty());
  channel.text = fmt::format("node host-a {}", model::kRemovedWords);
  run([&] { return net::wait_for(loop, [&] { return !told.empty(); }); });
  REQUIRE_EQ(told.size(), 1u);
  EXPECT_NE(told[0].find("this node (host-a) was removed from the mesh"), std::string::npos);
  EXPECT_NE(told[0].find("'meshctl leave --force'"), std::string::npos);
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

TEST_CASE("a service registered through the API is on disk when the call returns, and its status at the end") {
  auto folder = TempDir::make();
  REQUIRE(folder.ok());
  model::CheckDefinition check;
  check.ttl = seconds(60);
  {
    Fixture f(folder->path());
    REQUIRE(f.agent.start({}).ok());
    bool done = false;
    f.agent.register_service({.definition = web_with(check)}, [&](Status) { done = true; });
    REQUIRE(net::wait_for(f.loop, [&] { return done; }));
    EXPECT(read_file(folder->file("services/local"), ByteCount{1 << 20}).ok());
    f.agent.report_check({.check_id = "service:web", .status = model::CheckStatus::Passing, .output = "fine"}, [](Status) {});
  }
  Fixture next(folder->path());
  EXPECT(next.view->local.services().empty());
  REQUIRE(next.agent.start({}).ok());
  EXPECT_EQ(next.view->local.services().size(), 1);
  EXPECT_EQ(next.view->local.checks().find("service:web")->row.status, model::CheckStatus::Passing);
  bool done = false;
  next.agent.deregister_service("web", [&](Status status) { done = status.ok(); });
  REQUIRE(net::wait_for(next.loop, [&] { return done; }));
  Fixture last(folder->path());
  REQUIRE(last.agent.start({}).ok());
  EXPECT(last.view->local.services().empty());
}

TEST_CASE("an agent in no mesh refuses to leave one, and goes on") {
  net::Loop loop{"test"};
  SilentChannel channel;
  AgentOptions options = Fixture::options();
  options.cluster_id.clear();  // as in `meshd dev`
  Agent agent(loop, channel, Rng(1), std::move(options), [](AgentViewPtr) {});
  std::optional<Status> left;
  agent.leave([&](Status status) { left = std::move(status); });
  REQUIRE(left.has_value());
  REQUIRE(!left->ok());
  EXPECT_EQ(left->error().code, Code::Precondition);
}

TEST_CASE("a service that the node may not run is refused at once, and left out of the configuration") {
  net::Loop loop{"test"};
  SilentChannel channel;
  AgentOptions options = Fixture::options();
  options.services_allowed = {"db-*"};
  Agent agent(loop, channel, Rng(1), options, [](const AgentViewPtr&) {});
  model::ServiceDefinition web;
  web.name = "web";
  model::ServiceDefinition db;
  db.name = "db-1";
  REQUIRE(agent.start({web, db}).ok());
  EXPECT_EQ(agent.view()->local.services().size(), 1);
  std::optional<Status> answer;
  agent.register_service({.definition = web}, [&](Status status) { answer = std::move(status); });
  REQUIRE(answer.has_value());
  EXPECT_EQ(outcome_of(*answer), Code::Denied);
  EXPECT(error_text(*answer).find("allowed: db-*") != std::string::npos);
}

TEST_CASE("an agent that starts without servers shows the catalog that it knew, with its age") {
  auto folder = TempDir::make();
  REQUIRE(folder.ok());
  const CachedCatalog cached{.catalog = catalog_of(3, 20), .fresh_at = wall_now() - hours(3)};
  REQUIRE(make_dirs(folder->file("cache")).ok());
  REQUIRE(write_file_atomic(folder->file("cache/catalog"),
                            encode_catalog_cache(cached, Fixture::options().cluster_id)).ok());
  Fixture f(folder->path());
  REQUIRE(f.agent.start({}).ok());
  EXPECT(f.view->replica_ready);
  EXPECT(!f.view->connected);
  EXPECT_EQ(f.view->catalog.instance_count(), 3);
  const Duration age = f.loop.now() - f.view->fresh_at;
  EXPECT(age >= hours(3));
  EXPECT(age < hours(3) + minutes(1));
}

}  // namespace
}  // namespace mesh::agent
