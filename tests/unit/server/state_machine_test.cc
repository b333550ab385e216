#include "server/state_machine.h"

#include "tests/test.h"

#include <map>

#include "server/apply.h"
#include "tests/unit/server/command_maker.h"

namespace mesh::server {
namespace {

using model::CheckStatus;
using model::KvOp;

Code code_of(const model::CommandResult& result) { return static_cast<Code>(result.code); }

TEST_CASE("a registration makes a node, its services and its checks in one step") {
  Applier a;
  model::RegisterCommand body = registration("host-a", "web", "web-1");
  model::Check& check = body.checks.emplace_back();
  check.check_id = "c1";
  check.service_id = "web-1";
  check.status = CheckStatus::Passing;
  const model::CommandResult result = a.run(body);
  EXPECT_EQ(result.code, 0);
  EXPECT(result.applied);
  const auto views = a.catalog().instances_of("web");
  REQUIRE_EQ(views.size(), 1);
  EXPECT_EQ(views[0].node->id.text(), result.id);
  EXPECT_EQ(views[0].node->create_index, 1);
  REQUIRE_EQ(views[0].checks.size(), 1);
  EXPECT_EQ(views[0].checks[0]->service_name, "web");
  EXPECT_EQ(a.catalog().index(), 1);
}

TEST_CASE("registering the same again changes no row of the catalog") {
  Applier a;
  a.run(registration("host-a", "web"));
  const std::uint64_t hash = a.catalog().hash();
  a.run(registration("HOST-A", "web"));  // found by name; but the spelling is new
  EXPECT_NE(a.catalog().hash(), hash);
  const std::uint64_t spelled = a.catalog().hash();
  a.run(registration("HOST-A", "web"));
  EXPECT_EQ(a.catalog().hash(), spelled);
  EXPECT_EQ(a.catalog().service_index("web"), 2);
  EXPECT(a.rows.back().empty());
}

TEST_CASE("a node name that belongs to another node is refused and changes nothing") {
  Applier a;
  model::RegisterCommand body = registration("host-a");
  body.node.id = model::NodeId("11111111-0000-4000-8000-000000000000");
  a.run(body);
  body.node.id = model::NodeId("22222222-0000-4000-8000-000000000000");
  const std::uint64_t hash = a.catalog().hash();
  EXPECT(code_of(a.run(body)) == Code::Conflict);
  EXPECT_EQ(a.catalog().hash(), hash);
  body.node.name = "host-b";
  EXPECT_EQ(a.run(body).code, 0);
}

TEST_CASE("a check of a service that is not registered refuses the whole registration") {
  Applier a;
  model::RegisterCommand body = registration("host-a", "web");
  model::Check& check = body.checks.emplace_back();
  check.check_id = "c";
  check.service_id = "db";
  EXPECT(code_of(a.run(body)) == Code::Invalid);
  EXPECT_EQ(a.catalog().node_count(), 0);
}

TEST_CASE("an existing node row stays when its update is skipped") {
  Applier a;
  a.run(registration("host-a"));
  model::RegisterCommand body = registration("host-a", "web");
  body.node.address = "10.9.9.9";
  body.skip_node_update = true;
  a.run(body);
  EXPECT_EQ(a.catalog().node_by_name("host-a")->address, "10.0.0.1");
  EXPECT(a.catalog().has_service("web"));
}

TEST_CASE("deregistering a service takes its checks along, a node everything on it") {
  Applier a;
  model::RegisterCommand body = registration("host-a", "web", "web-1");
  body.services.push_back(registration("", "db").services[0]);
  for (const char* service : {"web-1", "db", ""}) {
    model::Check& check = body.checks.emplace_back();
    check.check_id = std::string("check-") + service;
    check.service_id = service;
  }
  a.run(body);
  model::DeregisterCommand gone;
  gone.node = "Host-A";
  gone.service_id = "WEB-1";
  a.run(gone);
  EXPECT_FALSE(a.catalog().has_service("web"));
  EXPECT_EQ(a.catalog().checks_in(std::nullopt).size(), 2);
  gone.service_id.clear();
  gone.check_id = "check-db";
  a.run(gone);
  EXPECT_EQ(a.catalog().checks_in(std::nullopt).size(), 1);
  gone.check_id.clear();
  a.run(gone);
  EXPECT_EQ(a.catalog().node_count(), 0);
  EXPECT_EQ(a.catalog().instance_count(), 0);
  EXPECT(a.catalog().checks_in(std::nullopt).empty());
  EXPECT_EQ(a.run(gone).code, 0);
}

TEST_CASE("a check update needs its check") {
  Applier a;
  model::RegisterCommand body = registration("host-a");
  body.checks.emplace_back().check_id = "alive";
  a.run(body);
  model::CheckUpdateCommand update;
  update.node = "host-a";
  update.check_id = "ALIVE";
  update.status = CheckStatus::Passing;
  update.output = "ok";
  EXPECT_EQ(a.run(update).code, 0);
  EXPECT(a.catalog().checks_in(CheckStatus::Passing).size() == 1);
  update.check_id = "other";
  EXPECT(code_of(a.run(update)) == Code::NotFound);
}

TEST_CASE("compare-and-set follows the modify index") {
  Applier a;
  EXPECT_FALSE(a.run(kv_command(KvOp::Cas, "k", "v", 7)).applied);
  EXPECT(a.run(kv_command(KvOp::Cas, "k", "v", 0)).applied);
  const std::uint64_t index = a.index;
  EXPECT_EQ(a.state().kv().index_of("k"), index);
  EXPECT_FALSE(a.run(kv_command(KvOp::Cas, "k", "w", 0)).applied);
  EXPECT(a.run(kv_command(KvOp::Cas, "k", "w", index)).applied);
  EXPECT_EQ(a.state().kv().find("k")->create_index, index);
  EXPECT_FALSE(a.run(kv_command(KvOp::DeleteCas, "k", "", index)).applied);
  EXPECT(a.run(kv_command(KvOp::DeleteCas, "k", "", a.state().kv().index_of("k"))).applied);
  EXPECT_EQ(a.state().kv().find("k"), nullptr);
  EXPECT(a.run(kv_command(KvOp::DeleteCas, "k", "", 3)).applied);
}

TEST_CASE("a deleted key keeps the index of its deletion, and a prefix the largest below it") {
  Applier a;
  for (const char* key : {"a/1", "a/2", "b/1"}) a.run(kv_command(KvOp::Set, key, "v"));
  EXPECT_EQ(a.state().kv().index_below("a/"), 2);
  a.run(kv_command(KvOp::Delete, "a/1"));
  EXPECT_EQ(a.state().kv().index_of("a/1"), 4);
  EXPECT_EQ(a.state().kv().index_below("a/"), 4);
  EXPECT_EQ(a.state().kv().index_below("b/"), 3);
  EXPECT_EQ(a.state().kv().index_of("never"), 1);
  a.run(kv_command(KvOp::DeleteTree, "a/"));
  EXPECT_EQ(a.state().kv().size(), 1);
  EXPECT_EQ(a.state().kv().index_of("a/2"), 5);
  a.run(kv_command(KvOp::Set, "a/1", "again"));
  EXPECT_EQ(a.state().kv().index_of("a/1"), 6);
}

TEST_CASE("keys are cut behind the first separator after the prefix, each once") {
  Applier a;
  for (const char* key : {"a", "a/x", "a/y/1", "a/y/2", "b"}) a.run(kv_command(KvOp::Set, key));
  using Keys = std::vector<std::string>;
  EXPECT_EQ(a.state().kv().keys("", "/"), (Keys{"a", "a/", "b"}));
  EXPECT_EQ(a.state().kv().keys("a/", "/"), (Keys{"a/x", "a/y/"}));
  EXPECT_EQ(a.state().kv().keys("a/", ""), (Keys{"a/x", "a/y/1", "a/y/2"}));
}

TEST_CASE("mesh addresses are the lowest free, skip the one of DNS, and stay in quarantine for 30 days") {
  Applier a;
  for (int i = 0; i < 60; ++i) a.run(registration("host-a", fmt::format("s{}", i)));
  EXPECT_EQ(a.catalog().mesh_name("s0")->address, "127.128.0.5");
  EXPECT_EQ(a.catalog().mesh_name("s47")->address, "127.128.0.52");
  EXPECT_EQ(a.catalog().mesh_name("s48")->address, "127.128.0.54");
  model::DeregisterCommand gone;
  gone.node = "host-a";
  gone.service_id = "s3";
  a.run(gone);
  EXPECT(a.catalog().mesh_name("s3") == nullptr);
  a.run(registration("host-a", "new"));
  EXPECT_EQ(a.catalog().mesh_name("new")->address, "127.128.0.66");
  a.run(registration("host-a", "S3"));
  EXPECT_EQ(a.catalog().mesh_name("s3")->address, "127.128.0.8");
  a.run(gone);
  a.time += kQuarantine;
  a.run(registration("host-a", "newer"));
  EXPECT_EQ(a.catalog().mesh_name("newer")->address, "127.128.0.8");
  a.run(registration("host-a", "s3"));
  EXPECT_EQ(a.catalog().mesh_name("s3")->address, "127.128.0.67");
}

TEST_CASE("a service whose name is no DNS label or is reserved gets no mesh address") {
  Applier a;
  a.run(registration("host-a", "with_underscore"));
  a.run(registration("host-a", "query"));
  EXPECT(a.catalog().has_service("query"));
  EXPECT(a.catalog().mesh_names().empty());
}

TEST_CASE("a mesh name answers on the ports of its instances, http on 80 as well") {
  Applier a;
  model::RegisterCommand body = registration("host-a", "web");
  model::ServicePort& port = body.services[0].ports.emplace_back();
  port.name = "main";
  port.port = 8080;
  port.protocol = model::Protocol::Http;
  a.run(body);
  const model::Name* name = a.catalog().mesh_name("web");
  REQUIRE_EQ(name->ports.size(), 2);
  EXPECT_EQ(name->ports[0].mesh_port, 80);
  EXPECT_EQ(name->ports[1].mesh_port, 8080);
}

TEST_CASE("an intention gets a UUID from the command and keeps it") {
  Applier a;
  model::IntentionUpsertCommand body;
  body.intention.source = "web";
  body.intention.destination = "db";
  const std::string id = a.run(body).id;
  EXPECT_EQ(id.size(), 36);
  body.intention.action = model::IntentionAction::Allow;
  body.intention.source = "WEB";
  EXPECT_EQ(a.run(body).id, id);
  EXPECT(a.catalog().intention(id)->action == model::IntentionAction::Allow);
  EXPECT_EQ(a.catalog().intention(id)->precedence, 9);
  const std::uint64_t index = a.catalog().intentions_index();
  a.run(body);
  EXPECT_EQ(a.catalog().intentions_index(), index);
  body.intention.destination = "other";
  EXPECT_NE(a.run(body).id, id);
  body.intention.id = id;
  EXPECT(code_of(a.run(body)) == Code::Conflict);
  model::IntentionDeleteCommand gone;
  gone.source = "web";
  gone.destination = "DB";
  EXPECT_EQ(a.run(gone).id, id);
  EXPECT(code_of(a.run(gone)) == Code::NotFound);
}

TEST_CASE("a cluster is initialised once") {
  Applier a;
  model::InitCommand body;
  body.cluster_id = "c0000000-0000-4000-8000-000000000000";
  body.datacenter = "dc1";
  EXPECT_EQ(a.run(body).code, 0);
  EXPECT(code_of(a.run(body)) == Code::Conflict);
  EXPECT(a.catalog().cluster()->default_action == model::IntentionAction::Deny);
  a.run(registration("host-a"));
  EXPECT_EQ(a.catalog().node_by_name("host-a")->datacenter, "dc1");
}

TEST_CASE("a retried command answers its first result and is not applied again") {
  Applier a;
  const std::string request(16, 'r');
  const model::CommandResult first = a.run(kv_command(KvOp::Cas, "k", "v", 0), request);
  EXPECT(first.applied);
  a.run(kv_command(KvOp::Set, "k", "w"));
  const std::uint64_t hash = a.state().hash();
  EXPECT(a.run(kv_command(KvOp::Cas, "k", "v", 0), request) == first);
  EXPECT_EQ(a.state().hash(), hash);
  EXPECT_EQ(a.catalog().index(), 3);
  EXPECT(a.run(kv_command(KvOp::Cas, "k", "v", 0), std::string(16, 's')).applied == false);
}

TEST_CASE("only the newest results are remembered") {
  Applier a;
  const auto id = [](std::size_t i) { return fmt::format("{:016}", i); };
  for (std::size_t i = 0; i <= kRequestsKept; ++i) a.run(kv_command(KvOp::Cas, "k", "v", 0), id(i));
  EXPECT_EQ(a.state().request_count(), kRequestsKept);
  EXPECT(a.state().request(id(0)) == nullptr);
  EXPECT(a.state().request(id(1)) != nullptr);
}

TEST_CASE("command time never goes back") {
  Applier a;
  a.run(kv_command(KvOp::Set, "a"));
  a.time -= seconds(500);
  model::IntentionUpsertCommand body;
  body.intention.source = body.intention.destination = "*";
  const std::string id = a.run(body).id;
  EXPECT(a.catalog().intention(id)->created_at == WallTime(seconds(1000)));
}

// --- properties over random commands

void run_random(Applier& a, std::uint64_t seed, int commands) {
  Rng rng(seed);
  for (int i = 0; i < commands; ++i) {
    a.time += seconds(static_cast<std::int64_t>(rng.below(100)) * 3600);
    a.run(random_command(rng), rng.below(3) == 0 ? fmt::format("{:016}", rng.below(50)) : "");
  }
}

// The rows as a disk would hold them.
using Rows = std::map<std::pair<std::uint32_t, Bytes>, Bytes>;
Rows rows_of(const Applier& a) {
  Rows rows;
  for (const auto& writes : a.rows) {
    for (const raft::RowWrite& row : writes) {
      if (row.value) {
        rows[{row.table, row.key}] = *row.value;
      } else {
        rows.erase({row.table, row.key});
      }
    }
  }
  return rows;
}

TEST_CASE("the same commands give the same rows, results and hash") {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    Applier a, b;
    run_random(a, seed, 200);
    for (const Bytes& payload : a.payloads) b.apply(payload);
    REQUIRE(a.rows == b.rows);
    REQUIRE_EQ(a.state().hash(), b.state().hash());
  }
}

TEST_CASE("the state hash is the sum over the rows on disk") {
  Applier a;
  run_random(a, 5, 300);
  std::uint64_t hash = 0;
  for (const auto& [place, value] : rows_of(a))
    hash += model::row_hash(model::TableId(place.first), place.second, value);
  EXPECT_EQ(a.state().hash(), hash);
}

TEST_CASE("a state loaded from its rows goes on exactly as the original") {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    Applier a, b;
    run_random(a, seed, 150);
    b.machine.begin_load();
    for (const auto& [place, value] : rows_of(a))
      REQUIRE(b.machine.load({place.first, place.second, value}).ok());
    REQUIRE(b.machine.end_load(raft::Index(a.index)).ok());
    REQUIRE_EQ(a.state().hash(), b.state().hash());
    b.index = a.index;
    const std::size_t from = a.payloads.size();
    a.time += hours(24 * 40);
    run_random(a, seed + 1000, 150);
    for (std::size_t i = from; i < a.payloads.size(); ++i) b.apply(a.payloads[i]);
    REQUIRE(std::vector(a.rows.begin() + static_cast<std::ptrdiff_t>(from), a.rows.end()) == b.rows);
    REQUIRE_EQ(a.state().hash(), b.state().hash());
  }
}

TEST_CASE("a row of a later release or without sense is refused when loading") {
  StateMachine machine;
  machine.begin_load();
  EXPECT(outcome_of(machine.load({99, "k", "v"})) == Code::Unsupported);
  EXPECT(outcome_of(machine.load({12, "k", "v"})) == Code::Unsupported);
  EXPECT(outcome_of(machine.load({16, "k", "\x0f"})) == Code::Corrupt);
}

// --- against a naive model of services and keys

struct Naive {
  std::map<std::string, std::map<std::string, std::string>> nodes;  // name -> instance id -> service
  std::map<std::string, std::pair<std::string, std::uint64_t>> kv;  // key -> value, modify index

  void apply(const model::Command& c, std::uint64_t index, bool refused) {
    if (refused) return;
    if (c.registration) {
      auto& node = nodes[c.registration->node.name];
      for (const auto& instance : c.registration->services) node[instance.id] = instance.name;
    } else if (c.deregistration) {
      if (c.deregistration->service_id.empty()) {
        nodes.erase(c.deregistration->node);
      } else if (nodes.contains(c.deregistration->node)) {
        nodes[c.deregistration->node].erase(c.deregistration->service_id);
      }
    } else if (c.kv) {
      apply_kv(*c.kv, index);
    }
  }
  void apply_kv(const model::KvCommand& c, std::uint64_t index) {
    const auto found = kv.find(c.key);
    const std::uint64_t now = found == kv.end() ? 0 : found->second.second;
    const bool same = found != kv.end() && found->second.first == c.value;
    if ((c.op == KvOp::Set || (c.op == KvOp::Cas && now == c.index)) && !same) kv[c.key] = {c.value, index};
    if (c.op == KvOp::Delete || (c.op == KvOp::DeleteCas && now == c.index)) kv.erase(c.key);
    if (c.op == KvOp::DeleteTree)
      std::erase_if(kv, [&](const auto& row) { return row.first.starts_with(c.key); });
  }
};

void expect_equal(const State& state, const Naive& naive) {
  REQUIRE_EQ(state.kv().size(), naive.kv.size());
  for (const auto& [key, entry] : naive.kv) {
    REQUIRE(state.kv().find(key) != nullptr);
    REQUIRE_EQ(state.kv().find(key)->value, entry.first);
    REQUIRE_EQ(state.kv().find(key)->modify_index, entry.second);
  }
  std::map<std::string, std::size_t> services;
  REQUIRE_EQ(state.catalog().node_count(), naive.nodes.size());
  for (const auto& [name, instances] : naive.nodes) {
    REQUIRE(state.catalog().node_by_name(name) != nullptr);
    REQUIRE_EQ(state.catalog().instances_on(state.catalog().node_by_name(name)->id).size(), instances.size());
    for (const auto& [id, service] : instances) ++services[service];
  }
  REQUIRE_EQ(state.catalog().services().size(), services.size());
  REQUIRE_EQ(state.catalog().mesh_names().size(), services.size());
  for (const auto& [service, count] : services)
    REQUIRE_EQ(state.catalog().instances_of(service).size(), count);
}

TEST_CASE("random commands agree with a naive model") {
  for (std::uint64_t seed = 1; seed <= 30; ++seed) {
    Rng rng(seed);
    Applier a;
    Naive naive;
    for (int i = 0; i < 150; ++i) {
      const model::Command command = random_command(rng);
      const model::CommandResult result = a.run(command);
      naive.apply(command, a.index, result.code != 0);
      expect_equal(a.state(), naive);
    }
  }
}

}  // namespace
}  // namespace mesh::server
