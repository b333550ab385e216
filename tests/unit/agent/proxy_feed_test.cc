#include "agent/proxy_feed.h"

#include "model/tables.h"
#include "tests/test.h"

namespace mesh::agent {

namespace {

using model::Catalog;
using model::RowChange;

const model::NodeId kOwn("aaaaaaaa-0000-4000-8000-000000000001");
const model::NodeId kOther("bbbbbbbb-0000-4000-8000-000000000002");

RowChange row_of(const model::Node& node) { return {model::kTableNodes, Bytes(node.id.text()), encode(node)}; }
RowChange row_of(const model::ServiceInstance& row) {
  return {model::kTableInstances, model::key_on_node(row.node_id, row.id), encode(row)};
}
RowChange row_of(const model::Check& row) {
  return {model::kTableChecks, model::key_on_node(row.node_id, row.check_id), encode(row)};
}
RowChange row_of(const model::Name& row) { return {model::kTableNames, model::fold_name(row.service), encode(row)}; }
RowChange row_of(const model::Intention& row) { return {model::kTableIntentions, row.id, encode(row)}; }
RowChange row_of(const model::Cluster& row) { return {model::kTableCluster, {}, encode(row)}; }

model::Node node(const model::NodeId& id, std::string name, std::string address, std::uint16_t mesh_port = 8303) {
  model::Node row;
  row.id = id;
  row.name = std::move(name);
  row.address = std::move(address);
  row.mesh_port = mesh_port;
  return row;
}

model::ServiceDefinition definition(std::string name, std::uint16_t port) {
  model::ServiceDefinition made;
  made.name = std::move(name);
  made.id = made.name + "-1";
  made.port = port;
  return made;
}

model::Name name(std::string service, std::string address, std::uint16_t port) {
  model::Name row;
  row.service = std::move(service);
  row.address = std::move(address);
  row.ports = {{port, std::string(model::kMainPort), model::Protocol::Tcp}};
  return row;
}

// Two nodes; db runs on both, web on the own one.
struct World {
  Catalog catalog;
  LocalState local{node(kOwn, "host-a", "10.0.0.1")};
  std::uint64_t index = 10;
  ProxyFeed feed;

  World() {
    apply({row_of(node(kOwn, "host-a", "10.0.0.1")), row_of(node(kOther, "host-b", "10.0.0.2")),
           row_of(model::instance_of(definition("db", 5432), kOther)),
           row_of(model::instance_of(definition("DB", 5432), kOwn)), row_of(name("db", "127.128.0.5", 5432))});
    add_local(definition("DB", 5432));
  }
  void apply(std::vector<RowChange> rows) {
    Result<Catalog> next = catalog.with_changes({++index, std::move(rows)});
    REQUIRE(next.ok());
    catalog = *next;
  }
  void add_local(const model::ServiceDefinition& service) { REQUIRE(local.add_service(service, {}).ok()); }
  proxy::ProxySnapshotPtr update() { return feed.update({catalog, local, "dc1", "uuid.mesh", nullptr, {}}); }
};

const net::Address kMesh{*net::IpAddress::parse("127.128.0.5"), 5432};

}  // namespace

TEST_CASE("a mesh address leads to the service's endpoints, with the mesh port of their hosts") {
  World world;
  const auto snapshot = world.update();
  const proxy::Route* route = proxy::find_route(*snapshot, kMesh);
  REQUIRE(route != nullptr);
  EXPECT_EQ(route->service, "db");
  EXPECT_EQ(route->port, "main");
  EXPECT(proxy::find_route(*snapshot, {kMesh.ip, 5433}) == nullptr);
  const auto endpoints = proxy::find_endpoints(*snapshot, "db");
  REQUIRE(endpoints != nullptr);
  for (const std::string_view port : {"main", ""}) {
    const auto& list = endpoints->ports.find(port)->second;
    REQUIRE_EQ(list.size(), 2u);
    EXPECT(list[0].local);
    EXPECT_FALSE(list[1].local);
    EXPECT_EQ(list[1].mesh.to_string(), "10.0.0.2:8303");
    EXPECT_EQ(list[1].instance_id, "db-1");
    EXPECT(list[1].healthy);
  }
  EXPECT_EQ(snapshot->node_names->at(kOther.text()), "host-b");
  EXPECT_EQ(snapshot->node_name, "host-a");
}

TEST_CASE("local instances say where they are dialled") {
  World world;
  auto elsewhere = definition("cache", 6379);
  elsewhere.address = "10.0.0.1";
  world.add_local(elsewhere);
  auto named = definition("named", 1);
  named.address = "db.example.org";
  world.add_local(named);
  auto ports = definition("many", 0);
  ports.ports = {{"api", 8080, model::Protocol::Http, 80}, {"admin", 9090, model::Protocol::Tcp, 0}};
  world.add_local(ports);
  const auto snapshot = world.update();
  const auto dial = [&](std::string_view id, std::string_view port) {
    const proxy::LocalInstance* instance = proxy::find_instance(*snapshot, id);
    REQUIRE(instance != nullptr);
    const net::Endpoint* where = proxy::find_dial(*instance, port);
    return where == nullptr ? std::string() : where->to_string();
  };
  EXPECT_EQ(dial("db-1", ""), "127.0.0.1:5432");
  EXPECT_EQ(dial("cache-1", "main"), "10.0.0.1:6379");
  EXPECT_EQ(dial("named-1", ""), "");
  EXPECT_EQ(dial("many-1", ""), "127.0.0.1:8080");
  EXPECT_EQ(dial("many-1", "admin"), "127.0.0.1:9090");
  EXPECT_EQ(dial("many-1", "none"), "");
  EXPECT_EQ(proxy::find_instance(*snapshot, "db-1")->service, "db");
}

TEST_CASE("what is critical or has no weight takes no traffic, what nobody can dial is left out") {
  World world;
  model::Check check;
  check.node_id = kOther;
  check.check_id = "db";
  check.service_id = "db-1";
  check.status = model::CheckStatus::Critical;
  world.apply({row_of(check)});
  auto list = proxy::find_endpoints(*world.update(), "db")->ports.find("main")->second;
  REQUIRE_EQ(list.size(), 2u);
  EXPECT(list[0].healthy);
  EXPECT_FALSE(list[1].healthy);
  check.status = model::CheckStatus::Warning;
  world.apply({row_of(check)});
  EXPECT(proxy::find_endpoints(*world.update(), "db")->ports.find("main")->second[1].healthy);
  world.apply({row_of(node(kOther, "host-b", "10.0.0.2", 0))});
  EXPECT_EQ(proxy::find_endpoints(*world.update(), "db")->ports.find("main")->second.size(), 1u);
  world.apply({row_of(node(kOther, "host-b", "host-b.example.org"))});
  EXPECT_EQ(proxy::find_endpoints(*world.update(), "db")->ports.find("main")->second.size(), 1u);
}

TEST_CASE("binds of upstreams are taken from local services") {
  World world;
  auto web = definition("web", 8080);
  web.upstreams = {{"db", "127.0.0.1:9191", {}, {}},
                   {"DB", "/run/db.sock", "admin", "dc1"},
                   {"db", {}, {}, {}},
                   {"db", "127.0.0.1:9192", {}, "dc2"}};
  world.add_local(web);
  const auto& binds = *world.update()->binds;
  REQUIRE_EQ(binds.size(), 2u);
  EXPECT_EQ(binds[0].at.to_string(), "127.0.0.1:9191");
  EXPECT_EQ(binds[0].owner, "web");
  EXPECT_EQ(binds[0].to.service, "db");
  EXPECT_EQ(binds[1].at.unix_path(), "/run/db.sock");
  EXPECT_EQ(binds[1].to.port, "admin");
}

TEST_CASE("without a cluster row everything is denied; intentions and the default are taken over") {
  World world;
  EXPECT_FALSE(proxy::authorize(*world.update(), "web", "db").allowed);
  model::Cluster cluster;
  cluster.default_action = model::IntentionAction::Allow;
  model::Intention intention;
  intention.id = "11111111-0000-4000-8000-000000000001";
  intention.source = "api";
  intention.destination = "db";
  intention.action = model::IntentionAction::Deny;
  world.apply({row_of(cluster), row_of(intention)});
  const auto snapshot = world.update();
  EXPECT(proxy::authorize(*snapshot, "web", "db").allowed);
  EXPECT_EQ(proxy::authorize(*snapshot, "api", "db").rule, intention.id);
}

TEST_CASE("nothing changed: the same snapshot; something changed: the other parts are shared") {
  World world;
  auto web = definition("web", 8080);
  world.apply({row_of(name("web", "127.128.0.6", 80)), row_of(model::instance_of(web, kOwn))});
  const auto first = world.update();
  EXPECT(world.update() == first);
  world.catalog.advance(++world.index);
  EXPECT(world.update() == first);

  world.apply({row_of(model::instance_of(definition("db", 5433), kOther))});
  const auto second = world.update();
  EXPECT(second != first);
  EXPECT(second->routes == first->routes);
  EXPECT(second->rules == first->rules);
  EXPECT(second->instances == first->instances);
  EXPECT(second->endpoints != first->endpoints);
  EXPECT(second->endpoints->at("web") == first->endpoints->at("web"));
  EXPECT(second->endpoints->at("db") != first->endpoints->at("db"));

  world.add_local(web);
  const auto third = world.update();
  EXPECT(third->endpoints == second->endpoints);
  EXPECT(third->instances != second->instances);

  RowChange gone = row_of(name("web", "127.128.0.6", 80));
  gone.value.reset();
  world.apply({gone});
  const auto fourth = world.update();
  EXPECT_EQ(fourth->routes->size(), 1u);
  EXPECT(proxy::find_endpoints(*fourth, "web") == nullptr);
}

TEST_CASE("another catalog, with lower indexes, is taken as a whole") {
  World world;
  (void)world.update();
  const auto next = Catalog().with_changes({2, {row_of(name("db", "127.128.0.9", 5432))}});
  REQUIRE(next.ok());
  world.catalog = *next;
  const auto snapshot = world.update();
  EXPECT(proxy::find_route(*snapshot, kMesh) == nullptr);
  EXPECT(proxy::find_endpoints(*snapshot, "db")->ports.empty());
  EXPECT(snapshot->node_names->empty());
}

TEST_CASE("removed nodes reach the data plane, and nothing else changes with them") {
  World world;
  const auto before = world.update();
  EXPECT(before->removed->empty());
  model::Removal row;
  row.node_id = kOther;
  world.apply({{model::kTableRemovals, Bytes(kOther.text()), encode(row)}});
  const auto after = world.update();
  EXPECT(after->removed->contains(kOther.text()));
  EXPECT(after->routes == before->routes);
  EXPECT(after->endpoints == before->endpoints);
  EXPECT(world.update() == after);
}

}  // namespace mesh::agent
