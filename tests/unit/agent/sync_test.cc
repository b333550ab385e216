#include "agent/sync.h"

#include "tests/test.h"

namespace mesh::agent {
namespace {

constexpr MonoTime kStart{seconds(1000)};
const model::NodeId kNode("11111111-1111-1111-1111-111111111111");

model::Node node() {
  model::Node node;
  node.id = kNode;
  node.name = "host-a";
  node.address = "127.0.0.1";
  return node;
}

LocalState with_service(const std::string& name, std::uint16_t port = 80) {
  LocalState state(node());
  model::ServiceDefinition definition;
  definition.name = name;
  definition.port = port;
  REQUIRE(state.add_service(definition, {}).ok());
  return state;
}

template <class Row>
void put(model::ChangeSet& changes, model::TableId table, Bytes key, Row row) {
  row.create_index = row.modify_index = changes.index;
  model::RowChange change;
  change.table_id = table;
  change.key = std::move(key);
  change.value = encode(row);
  changes.rows.push_back(std::move(change));
}

// The catalog as the servers would make it of the commands, far enough for these tests.
class FakeServers {
 public:
  void carry_out(const std::vector<model::Command>& commands) {
    for (const auto& command : commands) {
      model::ChangeSet changes;
      changes.index = catalog_.index() + 1;
      if (command.registration) add(changes, *command.registration);
      if (command.deregistration) remove(changes, *command.deregistration);
      catalog_ = catalog_.with_changes(changes).value();
    }
  }
  [[nodiscard]] const model::Catalog& catalog() const { return catalog_; }

 private:
  static void add(model::ChangeSet& changes, const model::RegisterCommand& body) {
    put(changes, model::kTableNodes, kNode.text(), body.node);
    for (const auto& instance : body.services)
      put(changes, model::kTableInstances, model::key_on_node(kNode.text(), instance.id), instance);
    for (const auto& check : body.checks)
      put(changes, model::kTableChecks, model::key_on_node(kNode.text(), check.check_id), check);
  }
  static void remove(model::ChangeSet& changes, const model::DeregisterCommand& body) {
    model::RowChange change;
    change.table_id = body.service_id.empty() ? model::kTableChecks : model::kTableInstances;
    change.key = model::key_on_node(kNode.text(), body.service_id.empty() ? body.check_id : body.service_id);
    changes.rows.push_back(std::move(change));
  }
  model::Catalog catalog_;
};

// Lets the sync run against the servers until it sends nothing more; returns the number of commands.
std::size_t settle(Sync& sync, FakeServers& servers, MonoTime now, std::vector<model::Command> commands) {
  std::size_t sent = 0;
  while (!commands.empty()) {
    sent += commands.size();
    REQUIRE(sent < 100);
    servers.carry_out(commands);
    const std::size_t answers = commands.size();
    commands.clear();
    for (std::size_t i = 0; i < answers; ++i) {
      auto next = sync.on_done(now, servers.catalog().index());
      EXPECT(next.empty());  // the replica does not show it yet
    }
    commands = sync.on_replica(now, servers.catalog());
  }
  return sent;
}

TEST_CASE("nothing is written before the replica is known") {
  Sync sync(with_service("web"), Rng(1));
  EXPECT(sync.on_local(kStart, with_service("web")).empty());
  EXPECT_EQ(sync.synced_revision(), 0);
}

TEST_CASE("what is missing is registered in one command, then the sync rests") {
  FakeServers servers;
  const LocalState local = with_service("web");
  Sync sync(local, Rng(1));
  EXPECT_EQ(settle(sync, servers, kStart, sync.on_replica(kStart, servers.catalog())), 1);
  EXPECT(servers.catalog().has_service("web"));
  EXPECT_EQ(sync.synced_revision(), local.revision());
  EXPECT_EQ(sync.next_deadline(), kNever);
  EXPECT(diff(local, servers.catalog()).empty());
}

TEST_CASE("what is gone here is removed there, serfHealth stays") {
  FakeServers servers;
  Sync sync(with_service("web"), Rng(1));
  settle(sync, servers, kStart, sync.on_replica(kStart, servers.catalog()));
  model::RegisterCommand foreign;
  foreign.node = node();
  foreign.checks.emplace_back();
  foreign.checks.back().node_id = kNode;
  foreign.checks.back().check_id = std::string(model::kSerfHealth);
  servers.carry_out({model::make_command(foreign)});
  EXPECT_EQ(settle(sync, servers, kStart, sync.on_replica(kStart, servers.catalog())), 0);
  const LocalState empty(node());
  EXPECT_EQ(settle(sync, servers, kStart, sync.on_local(kStart, empty)), 1);
  EXPECT_FALSE(servers.catalog().has_service("web"));
  EXPECT(servers.catalog().check(kNode.text(), model::kSerfHealth) != nullptr);
}

TEST_CASE("a change by others is undone, but not the tags of an instance that lets others set them") {
  FakeServers servers;
  LocalState local(node());
  model::ServiceDefinition definition;
  definition.name = "web";
  definition.port = 80;
  SUBCASE("without enable_tag_override") {}
  SUBCASE("with enable_tag_override") { definition.enable_tag_override = true; }
  REQUIRE(local.add_service(definition, {}).ok());
  Sync sync(local, Rng(1));
  settle(sync, servers, kStart, sync.on_replica(kStart, servers.catalog()));
  model::RegisterCommand foreign;
  foreign.node = node();
  foreign.services.push_back(local.services().find("web")->instance);
  foreign.services.back().tags = {"theirs"};
  servers.carry_out({model::make_command(foreign)});
  settle(sync, servers, kStart, sync.on_replica(kStart, servers.catalog()));
  EXPECT_EQ(servers.catalog().instance(kNode.text(), "web")->tags.empty(), !definition.enable_tag_override);
}

TEST_CASE("a failed write is tried again after a growing pause") {
  FakeServers servers;
  Sync sync(with_service("web"), Rng(1));
  auto commands = sync.on_replica(kStart, servers.catalog());
  Duration longest{};
  MonoTime now = kStart;
  for (int i = 0; i < 12; ++i) {
    REQUIRE_EQ(commands.size(), 1);
    EXPECT(sync.on_done(now, error(Code::Unavailable, "no leader")).empty());
    REQUIRE(sync.last_error().has_value());
    const Duration pause = sync.next_deadline() - now;
    EXPECT_LE(pause, kSyncBackoffMax);
    longest = std::max(longest, pause);
    EXPECT(sync.on_tick(sync.next_deadline() - nanoseconds(1)).empty());
    now = sync.next_deadline();
    commands = sync.on_tick(now);
  }
  EXPECT_GT(longest, kSyncBackoffMax / 4);
  EXPECT_GT(settle(sync, servers, now, std::move(commands)), 0);
  EXPECT_FALSE(sync.last_error().has_value());
}

TEST_CASE("after an outage the pause ends when the catalog goes on, not before") {
  FakeServers servers;
  Sync sync(with_service("web"), Rng(1));
  REQUIRE_EQ(sync.on_replica(kStart, servers.catalog()).size(), 1);
  EXPECT(sync.on_done(kStart, error(Code::Unavailable, "no leader")).empty());
  EXPECT(sync.on_replica(kStart, servers.catalog()).empty());
  model::Catalog later = servers.catalog();
  later.advance(servers.catalog().index() + 1);
  EXPECT_EQ(sync.on_replica(kStart, later).size(), 1);
}

TEST_CASE("a write that the replica never shows counts as failed") {
  FakeServers servers;
  Sync sync(with_service("web"), Rng(1));
  REQUIRE_EQ(sync.on_replica(kStart, servers.catalog()).size(), 1);
  EXPECT(sync.on_done(kStart, std::uint64_t{7}).empty());
  EXPECT(sync.on_tick(kStart + kSyncSettleMax).empty());
  REQUIRE(sync.last_error().has_value());
  EXPECT_EQ(sync.on_tick(sync.next_deadline()).size(), 1);
}

TEST_CASE("a change during a round is written in the next one") {
  FakeServers servers;
  Sync sync(with_service("web"), Rng(1));
  auto commands = sync.on_replica(kStart, servers.catalog());
  EXPECT(sync.on_local(kStart, with_service("db")).empty());
  settle(sync, servers, kStart, std::move(commands));
  EXPECT(servers.catalog().has_service("db"));
  EXPECT_FALSE(servers.catalog().has_service("web"));
}

TEST_CASE("status changes go at once, outputs alone wait their interval") {
  FakeServers servers;
  LocalState local(node());
  model::CheckDefinition check;
  check.check_id = check.name = "alive";
  check.ttl = seconds(10);
  REQUIRE(local.add_check(check, Source::Api).ok());
  Sync sync(local, Rng(1));
  settle(sync, servers, kStart, sync.on_replica(kStart, servers.catalog()));
  REQUIRE(local.report_check("alive", model::CheckStatus::Passing, "1").ok());
  EXPECT_EQ(settle(sync, servers, kStart, sync.on_local(kStart, local)), 1);
  REQUIRE(local.report_check("alive", model::CheckStatus::Passing, "2").ok());
  EXPECT(sync.on_local(kStart + seconds(1), local).empty());
  EXPECT_EQ(sync.synced_revision(), local.revision());
  REQUIRE_EQ(sync.next_deadline(), kStart + kSyncOutputInterval);
  const MonoTime later = sync.next_deadline();
  EXPECT_EQ(settle(sync, servers, later, sync.on_tick(later)), 1);
  EXPECT_EQ(servers.catalog().check(kNode.text(), "alive")->output, "2");
}

TEST_CASE("a node with many services is registered in bounded pieces") {
  FakeServers servers;
  LocalState local(node());
  for (int i = 0; i < 200; ++i) {
    model::ServiceDefinition definition;
    definition.name = fmt::format("s{}", i);
    definition.port = 80;
    REQUIRE(local.add_service(definition, {}).ok());
  }
  Sync sync(local, Rng(1));
  auto commands = sync.on_replica(kStart, servers.catalog());
  EXPECT_LE(commands.back().registration->services.size(), kSyncObjectsMax);
  EXPECT_EQ(settle(sync, servers, kStart, std::move(commands)), 200 / kSyncObjectsMax + 1);
  EXPECT_EQ(servers.catalog().instance_count(), 200);
}

TEST_CASE("large services are registered in pieces that fit a proposal") {
  FakeServers servers;
  LocalState local(node());
  for (int i = 0; i < 9; ++i) {
    model::ServiceDefinition definition;
    definition.name = fmt::format("s{}", i);
    definition.tags.assign(1, std::string(kLocalRowBytesMax - 1024, 't'));
    REQUIRE(local.add_service(definition, {}).ok());
  }
  Sync sync(local, Rng(1));
  auto commands = sync.on_replica(kStart, servers.catalog());
  EXPECT_LE(encode(*commands.back().registration).size(), kSyncBytesMax + kLocalRowBytesMax);
  EXPECT_EQ(settle(sync, servers, kStart, std::move(commands)), 3);
  EXPECT_EQ(servers.catalog().instance_count(), 9);
}

}  // namespace
}  // namespace mesh::agent
