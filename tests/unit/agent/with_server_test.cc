// An agent and a whole server, on one loop: what a host does from its join to a restart without servers.
#include "agent/agent.h"
#include "agent/identity/certificate_keeper.h"
#include "agent/identity/join.h"
#include "base/clock.h"
#include "model/join_ticket.h"
#include "tests/unit/agent/fake_channel.h"
#include "tests/unit/server/server_rig.h"

namespace mesh::agent {
namespace {

// The Join call without a network between.
class LocalJoinCaller final : public JoinCaller {
 public:
  explicit LocalJoinCaller(server::ServerRig& rig) : rig_(rig) {}
  JoinAnswer call(const std::string&, const Bytes& request, Duration) override {
    rig_.act_as({net::RpcPeer::Kind::Joining, ""});
    const auto response = rig_.call<model::JoinResponse>(model::kJoinPath, request);
    rig_.act_as({});
    if (!response.ok()) return {.reached = true, .result = response.error()};
    return {.reached = true, .result = encode(*response)};
  }
  void pause(Duration) override {}
  MonoTime now() const override { return mono_now(); }

 private:
  server::ServerRig& rig_;
};

model::JoinTicket make_ticket(server::ServerRig& rig, std::vector<std::string> services) {
  model::JoinTokenCreateRequest request;
  request.services = std::move(services);
  const auto token = rig.call<model::JoinTokenCreateResponse>(model::kJoinTokenCreatePath, request);
  if (!token.ok()) FAIL(token.error().message);
  return model::JoinTicket::parse(token->text).value();
}

// Agent and keeper as a daemon wires them.
class Host {
 public:
  Host(net::Loop& loop, net::RpcChannel& channel, const std::string& data_dir) : files_(data_dir) {
    auto node = files_.read();
    if (!node.ok()) FAIL(node.error().message);
    AgentOptions options;
    options.node.id = model::NodeId(node->record.node_id);
    options.node.name = node->record.name;
    options.node.address = "10.0.0.7";
    options.node.datacenter = node->record.datacenter;
    options.domain = node->record.domain;
    options.data_dir = data_dir;
    options.cluster_id = node->record.cluster_id;
    options.services_allowed = node->record.services;
    agent = std::make_unique<Agent>(loop, channel, Rng(1), options, [this](const AgentViewPtr& next) {
      view = next;
      if (keeper) keeper->update(*next);
    });
    keeper = std::make_unique<CertificateKeeper>(
        loop, channel, *agent->disk(), metrics_, Rng(2),
        CertificateKeeper::Options{.files = files_,
                                   .node = std::move(*node),
                                   .on_change = [](const IdentitiesPtr&) {},
                                   .on_servers = nullptr});
    REQUIRE(agent->start({}).ok());
  }
  ~Host() { keeper.reset(); }

  [[nodiscard]] bool has(const std::string& service) const { return keeper->identities()->services.contains(service); }

  AgentViewPtr view;

 private:
  NodeFiles files_;
  MetricRegistry metrics_;

 public:
  std::unique_ptr<Agent> agent;
  std::unique_ptr<CertificateKeeper> keeper;
};

struct Fixture {
  TempDir folder = TempDir::make().value();
  server::CreatedCluster made = server::make_cluster(folder.file("server"), false);
  server::ServerRig rig{folder.file("server")};
  std::string data_dir = folder.file("agent");
  LocalJoinCaller caller{rig};

  Result<JoinedNode> join(const model::JoinTicket& ticket) {
    return join_cluster(ticket, {.data_dir = data_dir, .node_name = "host-a"}, {.caller = caller, .now = wall_now});
  }
  std::unique_ptr<net::RpcChannel> channel_of(const NodeRecord& record) {
    return rig.listener->connect(rig.loop, {net::RpcPeer::Kind::Agent, record.node_id});
  }
};

TEST_CASE("a host joins, its service gets an identity from the servers, and both outlive a restart without them") {
  Fixture f;
  const auto joined = f.join(make_ticket(f.rig, {"web"}));
  if (!joined.ok()) FAIL(joined.error().message);
  EXPECT(clock_warning(joined->clock_ahead).empty());  // holds both to one backdating of certificates
  EXPECT(joined->record.services == std::vector<std::string>{"web"});
  const std::string domain = model::trust_domain(f.made.cluster_id, "mesh");
  {
    const auto channel = f.channel_of(joined->record);
    Host host(f.rig.loop, *channel, f.data_dir);
    model::ServiceDefinition web;
    web.name = "Web";
    web.port = 80;
    std::optional<Status> registered;
    host.agent->register_service({.definition = web}, [&](Status status) { registered = std::move(status); });
    REQUIRE(f.rig.wait([&] { return registered && host.has("web"); }));
    EXPECT(registered->ok());
    const net::CertificateInfo leaf = host.keeper->identities()->services.at("web")->leaf();
    EXPECT(leaf.uris == std::vector<std::string>{"spiffe://" + domain + "/ns/default/dc/dc1/svc/web"});
    REQUIRE_EQ(leaf.dns_names.size(), 2u);
    EXPECT_EQ(leaf.dns_names[0], model::service_sni("web", "dc1", domain));
    EXPECT_EQ(model::node_in(leaf.dns_names, {domain, "dc1"}), joined->record.node_id);
  }
  FakeChannel nobody;
  Host host(f.rig.loop, nobody, f.data_dir);
  EXPECT(host.view->replica_ready);
  EXPECT(!host.view->connected);
  EXPECT_EQ(host.view->catalog.instances_of("web").size(), 1);
  EXPECT(host.view->local.services().contains("web"));
  EXPECT(f.rig.wait([&] { return host.has("web"); }));
}

TEST_CASE("a join that broke off after the server had decided is repeated with the same token") {
  Fixture f;
  const model::JoinTicket ticket = make_ticket(f.rig, {"web"});  // for one use
  // The answer is lost on its way.
  class Losing final : public JoinCaller {
   public:
    explicit Losing(JoinCaller& real) : real_(real) {}
    JoinAnswer call(const std::string& server, const Bytes& request, Duration time_max) override {
      (void)real_.call(server, request, time_max);
      return {.reached = false, .result = error(Code::Timeout, "no answer")};
    }
    void pause(Duration) override {}
    MonoTime now() const override { return mono_now(); }

   private:
    JoinCaller& real_;
  } losing(f.caller);
  REQUIRE(!join_cluster(ticket, {.data_dir = f.data_dir, .node_name = "host-a", .time_max = {}}, {.caller = losing, .now = wall_now}).ok());
  const auto joined = f.join(ticket);
  if (!joined.ok()) FAIL(joined.error().message);
  // Another host finds the token used up.
  f.data_dir = f.folder.file("another");
  const auto other = join_cluster(ticket, {.data_dir = f.data_dir, .node_name = "host-b"}, {.caller = f.caller, .now = wall_now});
  REQUIRE(!other.ok());
  EXPECT_EQ(outcome_of(other), Code::Denied);
}

TEST_CASE("a service that the node's token does not allow is refused and hinders no other") {
  Fixture f;
  const auto joined = f.join(make_ticket(f.rig, {"web"}));
  if (!joined.ok()) FAIL(joined.error().message);
  const auto channel = f.channel_of(joined->record);
  Host host(f.rig.loop, *channel, f.data_dir);
  Status shop;
  for (const char* name : {"shop", "web"}) {
    model::ServiceDefinition definition;
    definition.name = name;
    host.agent->register_service({.definition = definition}, [&, name](Status status) {
      if (std::string_view(name) == "shop") shop = std::move(status);
    });
  }
  REQUIRE(f.rig.wait([&] { return host.has("web"); }));
  EXPECT(!host.has("shop"));
  REQUIRE(!shop.ok());
  EXPECT_EQ(outcome_of(shop), Code::Denied);
}

}  // namespace
}  // namespace mesh::agent
