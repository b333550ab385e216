#include "agent/local_store.h"

#include "agent/record_file.h"
#include "base/file.h"
#include "net/blocking_worker.h"
#include "tests/unit/net/net_fixture.h"

namespace mesh::agent {
namespace {

constexpr WallTime kThen{hours(500'000)};

model::Node node() {
  model::Node node;
  node.id = model::NodeId("11111111-1111-1111-1111-111111111111");
  node.name = "host-a";
  return node;
}

model::ServiceDefinition service(std::string name, Duration ttl = {}) {
  model::ServiceDefinition definition;
  definition.name = std::move(name);
  definition.port = 8080;
  definition.protocol = model::Protocol::Http;
  definition.tags = {"v1"};
  if (ttl != Duration{}) {
    model::CheckDefinition check;
    check.ttl = ttl;
    definition.checks = {check};
  }
  return definition;
}

model::CheckDefinition tcp_check(std::string id, std::string service_id = {}) {
  model::CheckDefinition check;
  check.check_id = check.name = std::move(id);
  check.service_id = std::move(service_id);
  check.tcp = "127.0.0.1:1";
  return check;
}

// `local`, as the next run of the agent has it `pause` later, its configuration having put in what `next` holds.
LocalState after_restart(const LocalState& local, Duration pause, LocalState next = LocalState(node())) {
  const auto stored = parse_local_store(encode_local_store(local, kThen), node().id);
  REQUIRE(stored.ok());
  EXPECT(restore_local(*stored, kThen + pause, next).empty());
  return next;
}

model::CheckStatus status_of(const LocalState& local, std::string_view check) {
  const LocalCheck* found = local.checks().find(check);
  REQUIRE(found != nullptr);
  return found->row.status;
}

TEST_CASE("services and checks that were registered through the API come back as they were") {
  LocalState local(node());
  model::ServiceDefinition web = service("Web", seconds(30));
  web.ports = {{.name = "main", .port = 8080, .protocol = model::Protocol::Grpc, .mesh_port = 80},
               {.name = "admin", .port = 9090, .protocol = model::Protocol::Tcp, .mesh_port = 0}};
  web.meta = {{"team", "shop"}};
  REQUIRE(local.add_service(web, {}).ok());
  REQUIRE(local.add_check(tcp_check("disk"), Source::Api).ok());
  REQUIRE(local.add_check(tcp_check("extra", "web"), Source::Api).ok());
  const LocalState next = after_restart(local, seconds(1));
  REQUIRE_EQ(next.services().size(), 1);
  EXPECT(next.services().find("web")->instance == local.services().find("web")->instance);
  EXPECT(next.services().find("web")->source == Source::Api);
  REQUIRE_EQ(next.checks().size(), 3);
  for (const auto& [id, check] : local.checks()) {
    const LocalCheck* again = next.checks().find(id);
    REQUIRE(again != nullptr);
    EXPECT(again->definition == check.definition);
    EXPECT(again->row == check.row);
    EXPECT(again->source == Source::Api);
  }
}

TEST_CASE("what the configuration says is not kept, but its checks keep their status") {
  LocalState local(node());
  model::ServiceDefinition web = service("web");
  web.checks = {tcp_check("web-tcp")};
  REQUIRE(local.add_service(web, {.source = Source::File}).ok());
  REQUIRE(local.report_check("web-tcp", model::CheckStatus::Passing, "connected").ok());
  EXPECT(after_restart(local, seconds(1)).services().empty());
  LocalState configured(node());
  REQUIRE(configured.add_service(web, {.source = Source::File}).ok());
  const LocalState next = after_restart(local, seconds(1), configured);
  EXPECT_EQ(status_of(next, "web-tcp"), model::CheckStatus::Passing);
  EXPECT_EQ(next.checks().find("web-tcp")->row.output, "connected");
}

TEST_CASE("a check whose definition changed starts anew") {
  LocalState local(node());
  REQUIRE(local.add_check(tcp_check("disk"), Source::File).ok());
  REQUIRE(local.report_check("disk", model::CheckStatus::Passing, "").ok());
  LocalState configured(node());
  auto other = tcp_check("disk");
  other.tcp = "127.0.0.1:2";
  REQUIRE(configured.add_check(other, Source::File).ok());
  EXPECT_EQ(status_of(after_restart(local, seconds(1), configured), "disk"), model::CheckStatus::Critical);
}

TEST_CASE("a service of the configuration wins over a kept one with its id") {
  LocalState local(node());
  REQUIRE(local.add_service(service("web"), {}).ok());
  LocalState configured(node());
  auto mine = service("web");
  mine.port = 1234;
  REQUIRE(configured.add_service(mine, {.source = Source::File}).ok());
  const LocalState next = after_restart(local, seconds(1), configured);
  EXPECT_EQ(next.services().find("web")->instance.port, 1234);
  EXPECT(next.services().find("web")->source == Source::File);
}

TEST_CASE("a report of a TTL check counts for its time, a result of the agent's own for five minutes") {
  LocalState local(node());
  REQUIRE(local.add_service(service("web", seconds(30)), {}).ok());
  REQUIRE(local.add_check(tcp_check("disk"), Source::Api).ok());
  REQUIRE(local.report_check("service:web", model::CheckStatus::Passing, "").ok());
  REQUIRE(local.report_check("disk", model::CheckStatus::Passing, "").ok());
  const auto status_after = [&](std::string_view check, Duration pause) {
    return status_of(after_restart(local, pause), check);
  };
  EXPECT_EQ(status_after("service:web", seconds(29)), model::CheckStatus::Passing);
  EXPECT_EQ(status_after("service:web", seconds(30)), model::CheckStatus::Critical);
  EXPECT_EQ(status_after("service:web", seconds(-1)), model::CheckStatus::Critical);  // the clock was set back
  EXPECT_EQ(status_after("disk", kStoredStatusAgeMax - seconds(1)), model::CheckStatus::Passing);
  EXPECT_EQ(status_after("disk", kStoredStatusAgeMax), model::CheckStatus::Critical);
}

TEST_CASE("the file of another node is refused, and what can no longer be registered is named") {
  LocalState local(node());
  REQUIRE(local.add_service(service("web"), {}).ok());
  const Bytes file = encode_local_store(local, kThen);
  EXPECT_EQ(outcome_of(parse_local_store(file, model::NodeId("another"))), Code::Precondition);
  auto stored = parse_local_store(file, node().id);
  REQUIRE(stored.ok());
  stored->records[0].service->name = "dns/../../evil";
  LocalState next(node());
  const auto refused = restore_local(*stored, kThen, next);
  REQUIRE_EQ(refused.size(), 1);
  EXPECT(refused[0].starts_with("service web: name holds a slash"));
  EXPECT(next.services().empty());
}

struct StoreRig {
  TempDir folder = std::move(TempDir::make()).value();
  net::Loop loop{"test"};
  std::unique_ptr<net::BlockingWorker> disk = std::make_unique<net::BlockingWorker>(loop.ref(), "test-disk");
  std::unique_ptr<LocalStore> store;
  int saved = 0;

  StoreRig() { open(); }
  void open() { store = std::make_unique<LocalStore>(loop, *disk, folder.path(), [this] { ++saved; }); }
  void end(const LocalState& local) {
    store->flush(local);
    store.reset();
    disk.reset();
    disk = std::make_unique<net::BlockingWorker>(loop.ref(), "test-disk");
  }
};

TEST_CASE("registrations that come while one is written share the next write") {
  StoreRig rig;
  LocalState local(node());
  for (const char* name : {"a", "b", "c"}) {
    REQUIRE(local.add_service(service(name), {}).ok());
    rig.store->changed(local);
  }
  REQUIRE(net::wait_for(rig.loop, [&] { return rig.store->saved_revision() == local.revision(); }));
  EXPECT_EQ(rig.saved, 2);
  rig.open();
  const auto stored = rig.store->load(node().id);
  REQUIRE(stored.has_value());
  EXPECT_EQ(stored->records.size(), 3);
}

TEST_CASE("a changed status is written later, with what else has changed by then, or at the end") {
  StoreRig rig;
  LocalState local(node());
  REQUIRE(local.add_check(tcp_check("disk"), Source::File).ok());
  rig.store->status_changed(local);
  net::settle(rig.loop);
  EXPECT_EQ(rig.saved, 0);
  REQUIRE(local.report_check("disk", model::CheckStatus::Passing, "").ok());
  rig.end(local);
  rig.open();
  const auto stored = rig.store->load(node().id);
  REQUIRE(stored.has_value());
  REQUIRE_EQ(stored->records.size(), 1);
  EXPECT_EQ(stored->records[0].status, model::CheckStatus::Passing);
}

TEST_CASE("a folder that cannot be written holds no registration up, and a damaged file counts as none") {
  StoreRig rig;
  const std::string folder = rig.folder.file("services");
  REQUIRE(write_file_atomic(folder, "a file in the way").ok());
  LocalState local(node());
  REQUIRE(local.add_service(service("web"), {}).ok());
  rig.store->changed(local);
  REQUIRE(net::wait_for(rig.loop, [&] { return rig.store->saved_revision() == local.revision(); }));
  EXPECT_EQ(rig.store->counts().failures_total, 1);
  REQUIRE(remove_tree(folder).ok());
  REQUIRE(make_dirs(folder).ok());
  REQUIRE(write_file_atomic(folder + "/local", "meshlocl\1garbage").ok());
  EXPECT(!rig.store->load(node().id).has_value());
}

}  // namespace
}  // namespace mesh::agent
