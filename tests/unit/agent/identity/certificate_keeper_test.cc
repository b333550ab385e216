#include "agent/identity/certificate_keeper.h"

#include "base/file.h"
#include "net/blocking_worker.h"
#include "tests/unit/agent/fake_channel.h"
#include "tests/unit/agent/identity/authority.h"
#include "tests/unit/net/net_fixture.h"

namespace mesh::agent {
namespace {

// A node of a cluster whose servers are the test.
struct Rig {
  TempDir folder = std::move(TempDir::make()).value();
  Authority authority;
  net::Loop loop{"test"};
  MetricRegistry metrics;
  net::BlockingWorker disk{loop.ref(), "test-disk"};
  FakeChannel channel;
  NodeFiles files = joined_node(folder.path(), authority);
  std::unique_ptr<CertificateKeeper> keeper;
  IdentitiesPtr seen;
  int publications = 0;
  std::vector<std::string> servers;
  LocalState local{node()};
  std::uint64_t index = 10;

  Rig() { open(); }

  static model::Node node() {
    model::Node node;
    node.id = model::NodeId(std::string(kNodeUuid));
    node.name = "host-a";
    return node;
  }
  void open(std::function<CertificateKeeper::Loaded(const NodeFiles&)> renew = renew_by_join, bool own_server = false) {
    auto read = files.read();
    REQUIRE(read.ok());
    keeper = std::make_unique<CertificateKeeper>(
        loop, channel, disk, metrics, Rng(1),
        CertificateKeeper::Options{.files = files,
                                   .node = std::move(*read),
                                   .on_change =
                                       [this](IdentitiesPtr next) {
                                         seen = std::move(next);
                                         ++publications;
                                       },
                                   .on_servers = [this](const std::vector<std::string>& told) { servers = told; },
                                   .renew = std::move(renew),
                                   .own_server = own_server});
  }
  void add_service(const std::string& name) {
    model::ServiceDefinition definition;
    definition.name = name;
    REQUIRE(local.add_service(definition, {}).ok());
  }
  // As the agent shows it; the catalog has the local services (or none) and these roots.
  AgentView view(bool registered, bool connected = true, std::vector<model::CaRoot> roots = {}) {
    model::ChangeSet changes;
    changes.index = ++index;
    for (const auto& [id, service] : local.services()) {
      if (registered)
        changes.rows.push_back({model::kTableInstances, model::key_on_node(kNodeUuid, id), encode(service.instance)});
    }
    for (const model::CaRoot& root : roots) changes.rows.push_back({model::kTableRoots, root.id, encode(root)});
    AgentView out{.datacenter = "dc1", .domain = "mesh", .local = local, .catalog = *model::Catalog().with_changes(changes),
                  .replica_ready = true, .connected = connected, .fresh_at = {}, .leader = {}};
    return out;
  }
  std::shared_ptr<FakeChannel::Call> wait_for_call(std::size_t count) {
    REQUIRE(net::wait_for(loop, [&] { return channel.calls(model::kSignPath).size() == count; }));
    return channel.calls(model::kSignPath).back();
  }
  void sign(FakeChannel::Call& call, std::vector<std::string> told = {}) {
    const auto request = decode<model::SignRequest>(call.request);
    REQUIRE(request.ok());
    model::SignResponse response;
    response.certificate = authority.sign(request->csr, request->service.empty()
                                                            ? node_spiffe_id(node_record()).uri()
                                                            : service_uri(node_record(), request->service));
    response.roots = {authority.root()};
    response.servers = std::move(told);
    FakeChannel::answer(call, encode(response));
  }
  bool has(const std::string& service) const { return seen != nullptr && seen->services.contains(service); }
};

TEST_CASE("before anything else the node's own certificate and roots are there") {
  Rig rig;
  REQUIRE(rig.keeper->identities() != nullptr);
  EXPECT(rig.keeper->identities()->node != nullptr);
  EXPECT(rig.keeper->identities()->trust != nullptr);
  EXPECT(rig.keeper->identities()->services.empty());
}

TEST_CASE("a service gets a certificate once the catalog shows it here, and the next run takes it from the disk") {
  Rig rig;
  rig.add_service("Web");
  rig.keeper->update(rig.view(false));
  net::settle(rig.loop, 20);
  rig.keeper->update(rig.view(false));
  net::settle(rig.loop);
  EXPECT(rig.channel.calls(model::kSignPath).empty());
  REQUIRE(net::wait_for(rig.loop, [&] {
    rig.keeper->update(rig.view(true));
    return !rig.channel.calls(model::kSignPath).empty();
  }));
  const auto call = rig.wait_for_call(1);
  EXPECT_EQ(decode<model::SignRequest>(call->request)->service, "web");
  rig.sign(*call, {"10.0.0.7:8300"});
  REQUIRE(net::wait_for(rig.loop, [&] { return rig.has("web"); }));
  EXPECT_EQ(rig.seen->services.at("web")->leaf().uris[0], service_uri(node_record(), "web"));
  EXPECT(rig.servers == std::vector<std::string>{"10.0.0.7:8300"});
  const net::CertificateInfo leaf = rig.seen->services.at("web")->leaf();
  rig.keeper.reset();
  rig.seen = nullptr;
  rig.open();
  rig.keeper->update(rig.view(false, false));  // no server
  REQUIRE(net::wait_for(rig.loop, [&] { return rig.has("web"); }));
  EXPECT(rig.seen->services.at("web")->leaf() == leaf);
  EXPECT_EQ(rig.channel.calls(model::kSignPath).size(), 1);
  EXPECT(rig.files.read()->record.servers == std::vector<std::string>{"10.0.0.7:8300"});
}

// Drives updates until a Sign call has come.
std::shared_ptr<FakeChannel::Call> ordered(Rig& rig, std::size_t count) {
  REQUIRE(net::wait_for(rig.loop, [&] {
    rig.keeper->update(rig.view(true));
    return rig.channel.calls(model::kSignPath).size() >= count;
  }));
  return rig.channel.calls(model::kSignPath).at(count - 1);
}

TEST_CASE("services of one name share a certificate, names without DNS form get none") {
  Rig rig;
  rig.add_service("web");
  rig.add_service("with space");
  model::ServiceDefinition second;
  second.name = "WEB";
  second.id = "web-2";
  REQUIRE(rig.local.add_service(second, {}).ok());
  rig.sign(*ordered(rig, 1));
  REQUIRE(net::wait_for(rig.loop, [&] { return rig.has("web"); }));
  rig.keeper->update(rig.view(true));
  net::settle(rig.loop, 20);
  EXPECT_EQ(rig.channel.calls(model::kSignPath).size(), 1);
}

TEST_CASE("a service that goes loses its certificate, also on disk, and one that is signed too late is not kept") {
  Rig rig;
  rig.add_service("web");
  rig.sign(*ordered(rig, 1));
  REQUIRE(net::wait_for(rig.loop, [&] { return rig.has("web"); }));
  rig.add_service("db");
  const auto late = ordered(rig, 2);
  REQUIRE(rig.local.remove_service("web").ok());
  REQUIRE(rig.local.remove_service("db").ok());
  rig.keeper->update(rig.view(true));
  REQUIRE(net::wait_for(rig.loop, [&] { return !rig.has("web"); }));
  rig.sign(*late);
  net::settle(rig.loop, 20);
  EXPECT(!rig.has("db"));
  REQUIRE(net::wait_for(rig.loop, [&] {
    const auto file = read_file(rig.files.service_path("web"), ByteCount{1 << 20});
    return !file.ok() && file.error().code == Code::NotFound;
  }));
  EXPECT(!read_file(rig.files.service_path("db"), ByteCount{1 << 20}).ok());
}

TEST_CASE("files of services that went while the agent was away are removed at the start") {
  Rig rig;
  const std::string stray = rig.files.service_path("old");
  REQUIRE(make_dirs(rig.files.service_folder()).ok());
  REQUIRE(write_file_atomic(stray, "x", {.mode = 0600}).ok());
  rig.add_service("web");
  rig.keeper->update(rig.view(true));
  REQUIRE(net::wait_for(rig.loop, [&] { return !read_file(stray, ByteCount{1 << 20}).ok(); }));
}

TEST_CASE("a refusal is tried again, an answer for another key or name counts as one") {
  Rig rig;
  rig.add_service("web");
  const auto first = ordered(rig, 1);
  FakeChannel::answer(*first, error(Code::Denied, "the node's join token does not allow 'web'"));
  const auto second = rig.wait_for_call(2);
  model::SignResponse wrong;
  wrong.certificate = rig.authority.sign(decode<model::SignRequest>(first->request)->csr, service_uri(node_record(), "web"));
  wrong.roots = {rig.authority.root()};
  FakeChannel::answer(*second, encode(wrong));  // signed for the key of the first request
  const auto third = rig.wait_for_call(3);
  EXPECT(!rig.has("web"));
  rig.sign(*third);
  REQUIRE(net::wait_for(rig.loop, [&] { return rig.has("web"); }));
  const std::string text = rig.metrics.prometheus_text();
  EXPECT(text.find("meshd_certificate_failures_total 2") != std::string::npos);
  EXPECT(text.find("meshd_certificate_expires_seconds{service=\"web\"}") != std::string::npos);
}

TEST_CASE("roots follow the catalog of a server, both while one is replaced, and are kept on disk") {
  Rig rig;
  const Authority next;
  rig.keeper->update(rig.view(true, false, {next.root()}));  // from the cache: may be older than what is on disk
  net::settle(rig.loop);
  EXPECT(rig.seen == nullptr);
  rig.keeper->update(rig.view(true, true, {rig.authority.root(), next.root()}));
  REQUIRE(net::wait_for(rig.loop, [&] { return rig.seen != nullptr && rig.seen->trust->roots().size() == 2; }));
  REQUIRE(net::wait_for(rig.loop, [&] { return rig.files.read()->trust->roots().size() == 2; }));
  rig.keeper->update(rig.view(true, true, {}));  // a catalog without roots is no reason to trust nobody
  net::settle(rig.loop);
  EXPECT_EQ(rig.seen->trust->roots().size(), 2);
}

TEST_CASE("a node certificate that has expired is renewed by the join call, its key stays") {
  Rig rig;
  rig.keeper.reset();
  const std::string key = *rig.files.read_key();
  REQUIRE(rig.files.write_certificate(rig.authority.sign_key(key, node_spiffe_id(node_record()).uri(), seconds(-1))).ok());
  rig.open([&](const NodeFiles& files) -> CertificateKeeper::Loaded {
    MESH_TRY_STATUS(files.write_certificate(rig.authority.sign_key(key, node_spiffe_id(node_record()).uri())));
    MESH_TRY(node, files.read());
    return node.identity;
  });
  rig.keeper->update(rig.view(false));
  REQUIRE(net::wait_for(rig.loop, [&] { return rig.seen != nullptr; }));
  EXPECT(rig.seen->node->leaf().not_after > wall_now());
  EXPECT(rig.channel.calls(model::kSignPath).empty());
}

TEST_CASE("a server whose certificate has expired asks the server in its own process first, then by a Join call") {
  Rig rig;
  rig.keeper.reset();
  const std::string key = *rig.files.read_key();
  REQUIRE(rig.files.write_certificate(rig.authority.sign_key(key, node_spiffe_id(node_record()).uri(), seconds(-1))).ok());
  int joins = 0;
  rig.open([&](const NodeFiles& files) -> CertificateKeeper::Loaded {
    ++joins;
    MESH_TRY_STATUS(files.write_certificate(rig.authority.sign_key(key, node_spiffe_id(node_record()).uri())));
    MESH_TRY(node, files.read());
    return node.identity;
  }, true);
  rig.keeper->update(rig.view(false));
  const auto call = rig.wait_for_call(1);
  EXPECT_EQ(joins, 0);
  SUBCASE("which is all there is when it is the only one") {
    rig.sign(*call);
    REQUIRE(net::wait_for(rig.loop, [&] { return rig.seen != nullptr; }));
    EXPECT_EQ(joins, 0);
  }
  SUBCASE("which another server answers") {
    FakeChannel::answer(*call, error(Code::Denied, "cannot be asked"));
    REQUIRE(net::wait_for(rig.loop, [&] { return rig.seen != nullptr; }));
    EXPECT_EQ(joins, 1);
  }
  EXPECT(rig.seen->node->leaf().not_after > wall_now());
}

TEST_CASE("a node certificate past a seventh of its life is renewed by Sign with the recorded key") {
  Rig rig;
  rig.keeper.reset();
  const std::string key = *rig.files.read_key();
  REQUIRE(rig.files.write_certificate(rig.authority.sign_key(key, node_spiffe_id(node_record()).uri(), minutes(5))).ok());
  rig.open();
  const auto expires = rig.keeper->identities()->node->leaf().not_after;
  rig.keeper->update(rig.view(false));
  const auto call = rig.wait_for_call(1);
  const auto request = decode<model::SignRequest>(call->request);
  EXPECT(request->service.empty());
  EXPECT_EQ(net::read_csr(request->csr)->key_hash, *net::key_hash_of(key));
  rig.sign(*call);
  REQUIRE(net::wait_for(rig.loop, [&] { return rig.seen != nullptr; }));
  EXPECT(rig.seen->node->leaf().not_after > expires);
  EXPECT(rig.files.read()->identity->leaf() == rig.seen->node->leaf());
}

}  // namespace
}  // namespace mesh::agent
