#include "model/catalog.h"

#include "tests/test.h"

#include "base/rng.h"
#include "model/names.h"

namespace mesh::model {
namespace {

const NodeId kA("aaaaaaaa-0000-4000-8000-000000000001");
const NodeId kB("bbbbbbbb-0000-4000-8000-000000000002");

RowChange row_of(const Node& node) { return {kTableNodes, Bytes(node.id.text()), encode(node)}; }
RowChange row_of(const ServiceInstance& instance) {
  return {kTableInstances, key_on_node(instance.node_id, instance.id), encode(instance)};
}
RowChange row_of(const Check& check) {
  return {kTableChecks, key_on_node(check.node_id, check.check_id), encode(check)};
}
RowChange row_of(const Name& name) { return {kTableNames, fold_name(name.service), encode(name)}; }
template <class T>
RowChange gone(const T& value) {
  RowChange row = row_of(value);
  row.value.reset();
  return row;
}

Node node(const NodeId& id, std::string name) {
  Node out;
  out.id = id;
  out.name = std::move(name);
  out.address = "10.0.0.1";
  return out;
}
ServiceInstance instance(const NodeId& node_id, std::string id, std::string name,
                         std::vector<std::string> tags = {}) {
  ServiceInstance out;
  out.node_id = node_id;
  out.id = std::move(id);
  out.name = std::move(name);
  out.tags = std::move(tags);
  return out;
}
Check check(const NodeId& node_id, std::string id, std::string service_id, CheckStatus status) {
  Check out;
  out.node_id = node_id;
  out.check_id = std::move(id);
  out.service_id = std::move(service_id);
  out.status = status;
  return out;
}

// A catalog that is changed step by step, each step at the next index.
struct Stepper {
  Catalog catalog;
  std::uint64_t index = 10;

  void apply(std::vector<RowChange> rows) {
    Result<Catalog> next = catalog.with_changes({++index, std::move(rows)});
    REQUIRE(next.ok());
    catalog = *next;
  }
};

Stepper two_nodes() {
  Stepper s;
  s.apply({row_of(node(kA, "Host-A")), row_of(node(kB, "host-b"))});
  s.apply({row_of(instance(kA, "web-1", "Web", {"v1"})), row_of(instance(kB, "web-1", "web", {"v2", "v1"}))});
  return s;
}

TEST_CASE("an empty catalog answers every index with one") {
  const Catalog catalog;
  EXPECT_EQ(catalog.nodes_index(), 1);
  EXPECT_EQ(catalog.service_index("web"), 1);
  EXPECT_EQ(catalog.node_index("a"), 1);
  EXPECT(catalog.instances_of("web").empty());
}

TEST_CASE("names and ids are found without regard to case") {
  const Stepper s = two_nodes();
  REQUIRE(s.catalog.node_by_name("HOST-A") != nullptr);
  EXPECT_EQ(s.catalog.node_by_name("host-a")->name, "Host-A");
  EXPECT_EQ(s.catalog.instances_of("WEB").size(), 2);
  EXPECT(s.catalog.instance(kA, "WEB-1") != nullptr);
  REQUIRE_EQ(s.catalog.services().size(), 1);
  EXPECT_EQ(s.catalog.services()[0].name, "Web");
  EXPECT_EQ(s.catalog.services()[0].tags, (std::vector<std::string>{"v1", "v2"}));
}

TEST_CASE("the worst check decides, and a critical node hides all its services") {
  Stepper s = two_nodes();
  s.apply({row_of(check(kA, "c1", "web-1", CheckStatus::Passing)),
           row_of(check(kA, "c2", "web-1", CheckStatus::Warning))});
  EXPECT(s.catalog.instances_of("web")[0].status == CheckStatus::Warning);
  EXPECT_EQ(s.catalog.instances_of("web")[0].checks.size(), 2);
  EXPECT(s.catalog.instances_of("web")[1].status == CheckStatus::Passing);
  s.apply({row_of(check(kA, "serfHealth", "", CheckStatus::Critical))});
  const auto views = s.catalog.instances_of("web");
  EXPECT(views[0].status == CheckStatus::Critical);
  EXPECT_EQ(views[0].checks[0]->check_id, "serfHealth");
  EXPECT(views[1].status == CheckStatus::Passing);
}

TEST_CASE("an index moves for what its answer shows, and for nothing else") {
  Stepper s = two_nodes();
  s.apply({row_of(instance(kB, "db-1", "db"))});
  const std::uint64_t web = s.catalog.service_index("web");
  const std::uint64_t listed = s.catalog.services_index();

  s.apply({row_of(check(kB, "c", "db-1", CheckStatus::Critical))});
  EXPECT_EQ(s.catalog.service_health_index("db"), s.index);
  EXPECT_LT(s.catalog.service_index("db"), s.index);
  EXPECT_EQ(s.catalog.service_health_index("web"), web);
  EXPECT_EQ(s.catalog.node_checks_index("host-b"), s.index);
  EXPECT_LT(s.catalog.node_index("host-b"), s.index);
  EXPECT_EQ(s.catalog.services_index(), listed);

  s.apply({row_of(check(kA, "node", "", CheckStatus::Critical))});
  EXPECT_EQ(s.catalog.service_health_index("web"), s.index);
  EXPECT_LT(s.catalog.service_health_index("db"), s.index);

  Node moved = node(kB, "host-b");
  moved.address = "10.0.0.9";
  s.apply({row_of(moved)});
  EXPECT_EQ(s.catalog.service_index("db"), s.index);
  EXPECT_EQ(s.catalog.service_index("web"), s.index);
  EXPECT_EQ(s.catalog.services_index(), listed);

  s.apply({row_of(instance(kB, "db-1", "db", {"primary"}))});
  EXPECT_EQ(s.catalog.services_index(), s.index);
}

TEST_CASE("the delete of the last instance moves the index of its service") {
  Stepper s = two_nodes();
  s.apply({gone(instance(kA, "web-1", "Web"))});
  EXPECT_EQ(s.catalog.service_index("web"), s.index);
  EXPECT(s.catalog.has_service("web"));
  s.apply({gone(instance(kB, "web-1", "web"))});
  EXPECT_FALSE(s.catalog.has_service("web"));
  EXPECT_EQ(s.catalog.service_index("web"), s.index);
  EXPECT_EQ(s.catalog.service_health_index("web"), s.index);
  EXPECT_EQ(s.catalog.services_index(), s.index);
  const std::uint64_t gone_at = s.index;
  s.apply({gone(node(kB, "host-b"))});
  EXPECT_EQ(s.catalog.node_index("host-b"), s.index);
  EXPECT_EQ(s.catalog.service_index("web"), gone_at);
}

TEST_CASE("two nodes may exchange their names in one change set") {
  Stepper s = two_nodes();
  s.apply({row_of(node(kA, "host-b")), row_of(node(kB, "Host-A"))});
  EXPECT(s.catalog.node_by_name("host-a")->id == kB);
  EXPECT(s.catalog.node_by_name("host-b")->id == kA);
  EXPECT_EQ(s.catalog.nodes().size(), 2);
}

TEST_CASE("a row that is written again unchanged moves nothing") {
  Stepper s = two_nodes();
  const std::uint64_t hash = s.catalog.hash();
  const std::uint64_t web = s.catalog.service_index("web");
  s.apply({row_of(instance(kA, "web-1", "Web", {"v1"}))});
  EXPECT_EQ(s.catalog.service_index("web"), web);
  EXPECT_EQ(s.catalog.hash(), hash);
}

TEST_CASE("a mesh address leads to its name until the name is released") {
  Stepper s;
  Name name;
  name.service = "web";
  name.address = "127.128.0.5";
  s.apply({row_of(name)});
  REQUIRE(s.catalog.mesh_name("Web") != nullptr);
  EXPECT_EQ(s.catalog.mesh_name_at(*mesh_address_value("127.128.0.5")), s.catalog.mesh_name("web"));
  name.released_at = WallTime(seconds(5));
  s.apply({row_of(name)});
  EXPECT(s.catalog.mesh_name("web") == nullptr);
  EXPECT(s.catalog.mesh_name_at(*mesh_address_value("127.128.0.5")) == nullptr);
  EXPECT(s.catalog.address_taken(*mesh_address_value("127.128.0.5")));
  s.apply({gone(name)});
  EXPECT_FALSE(s.catalog.address_taken(*mesh_address_value("127.128.0.5")));
}

TEST_CASE("a mesh address is four decimal numbers") {
  EXPECT_EQ(mesh_address_text(*mesh_address_value("127.191.255.254")), "127.191.255.254");
  for (const char* bad :
       {"", "127.128.0", "127.128.0.5.", "127.128.0.256", " 127.128.0.5", "127.128.0.x", "::1"}) {
    EXPECT_FALSE(mesh_address_value(bad).has_value());
  }
}

TEST_CASE("bad rows and old indexes are refused and change nothing") {
  const Stepper s = two_nodes();
  EXPECT(outcome_of(s.catalog.with_changes({s.index - 1, {}})) == Code::Precondition);
  EXPECT(outcome_of(s.catalog.with_changes({s.index + 1, {{kTableNodes, "x", Bytes("\x0f")}}})) ==
         Code::Corrupt);
  RowChange foreign = row_of(node(kA, "host-a"));
  foreign.key = "other";
  EXPECT(outcome_of(s.catalog.with_changes({s.index + 1, {foreign}})) == Code::Corrupt);
  Name name;
  name.service = "web";
  name.address = "nowhere";
  EXPECT(outcome_of(s.catalog.with_changes({s.index + 1, {row_of(name)}})) == Code::Corrupt);
  const Result<Catalog> later = s.catalog.with_changes({s.index + 1, {{TableId(12), "k", Bytes("v")}}});
  REQUIRE(later.ok());
  EXPECT_EQ(later->hash(), s.catalog.hash());
}

std::vector<RowChange> all_rows(const Catalog& catalog, std::size_t bytes_max) {
  std::vector<RowChange> all;
  Catalog::RowCursor cursor;
  for (auto rows = catalog.next_rows(cursor, bytes_max); !rows.empty();
       rows = catalog.next_rows(cursor, bytes_max)) {
    all.insert(all.end(), rows.begin(), rows.end());
  }
  return all;
}

TEST_CASE("a snapshot walk gives every row once, in pieces of any size, and loads to the same catalog") {
  Stepper s = two_nodes();
  s.apply({row_of(check(kA, "c1", "web-1", CheckStatus::Warning))});
  const auto rows = all_rows(s.catalog, 1 << 20);
  EXPECT_EQ(rows.size(), 5);
  EXPECT(all_rows(s.catalog, 1) == rows);
  const Result<Catalog> loaded = Catalog().with_snapshot(40, rows);
  REQUIRE(loaded.ok());
  EXPECT_EQ(loaded->hash(), s.catalog.hash());
  EXPECT_EQ(loaded->service_index("web"), 40);
  EXPECT_EQ(loaded->service_index("nothing"), 40);
  EXPECT(loaded->instances_of("web")[0].status == CheckStatus::Warning);
}

TEST_CASE("a later snapshot moves only what it changes") {
  Stepper s = two_nodes();
  s.apply({row_of(instance(kA, "db", "db"))});
  const Result<Catalog> first = Catalog().with_snapshot(s.index, all_rows(s.catalog, 100));
  REQUIRE(first.ok());
  const std::uint64_t before = s.index;
  s.apply({gone(instance(kA, "db", "db"))});
  s.apply({});
  const Result<Catalog> second = first->with_snapshot(s.index, all_rows(s.catalog, 100));
  REQUIRE(second.ok());
  EXPECT_EQ(second->hash(), s.catalog.hash());
  EXPECT_EQ(second->service_index("web"), before);
  EXPECT_EQ(second->service_index("db"), s.index);
  EXPECT_FALSE(second->has_service("db"));
}

// Random changes against what a catalog rebuilt from its rows says.
TEST_CASE("random changes leave the same catalog as loading its rows, and indexes never go back") {
  for (std::uint64_t seed = 1; seed <= 10; ++seed) {
    Rng rng(seed);
    Stepper s;
    std::uint64_t web = 0, health = 0, listed = 0;
    for (int step = 0; step < 150; ++step) {
      const NodeId& id = rng.below(2) == 0 ? kA : kB;
      const std::string name = rng.below(2) == 0 ? "web" : "db";
      const auto thing =
          instance(id, fmt::format("i{}", rng.below(3)), name, {fmt::format("t{}", rng.below(3))});
      const auto tested = check(id, fmt::format("c{}", rng.below(3)), rng.below(2) == 0 ? "" : "i1",
                                static_cast<CheckStatus>(rng.below(3)));
      const Node host = node(id, rng.below(4) == 0 ? "renamed-" + id.text() : id.text());
      switch (rng.below(6)) {
        case 0:
          s.apply({gone(thing)});
          break;
        case 1:
          s.apply({gone(tested), row_of(thing)});
          break;
        case 2:
          s.apply({row_of(tested)});
          break;
        case 3:
          s.apply({row_of(host)});
          break;
        case 4:
          s.apply({rng.below(3) == 0 ? gone(host) : row_of(host), row_of(tested)});
          break;
        default:
          s.apply({row_of(thing)});
      }
      EXPECT_GE(s.catalog.service_index("web"), web);
      EXPECT_GE(s.catalog.service_health_index("web"), health);
      EXPECT_GE(s.catalog.services_index(), listed);
      web = s.catalog.service_index("web");
      health = s.catalog.service_health_index("web");
      listed = s.catalog.services_index();
    }
    const Result<Catalog> loaded = Catalog().with_snapshot(s.index, all_rows(s.catalog, 300));
    REQUIRE(loaded.ok());
    REQUIRE_EQ(loaded->hash(), s.catalog.hash());
    REQUIRE_EQ(loaded->services().size(), s.catalog.services().size());
    for (const char* name : {"web", "db"}) {
      const auto a = s.catalog.instances_of(name);
      const auto b = loaded->instances_of(name);
      REQUIRE_EQ(a.size(), b.size());
      for (std::size_t i = 0; i < a.size(); ++i) {
        EXPECT(*a[i].instance == *b[i].instance);
        EXPECT_EQ(a[i].checks.size(), b[i].checks.size());
        EXPECT(a[i].status == b[i].status);
      }
    }
  }
}

}  // namespace
}  // namespace mesh::model
