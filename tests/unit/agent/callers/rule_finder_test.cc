#include "agent/callers/rule_finder.h"

#include <filesystem>

#include "agent/callers/shared_unit.h"
#include "tests/unit/agent/callers/fake_host.h"

namespace mesh::agent {

namespace {

struct NoneNow final : proxy::CgroupNow {
  proxy::Below is_below(std::uint64_t, const std::string&) const override { return proxy::Below::No; }
};

struct World {
  std::shared_ptr<FakeHost> host = std::make_shared<FakeHost>();
  RuleFinder finder{std::make_unique<FakeHostView>(host)};
  std::vector<ServiceProcess> services;
  FoundRules last;

  void add(std::string service, std::uint16_t port, model::ProcessMatch rule = {}) {
    const std::string id = service + "-" + std::to_string(services.size());
    services.push_back({id, std::move(service), std::move(rule), {net::Address{net::IpAddress::loopback(), port}}});
  }
  void look() { last = finder.find(services); }
  [[nodiscard]] std::string who(const proxy::CallerFacts& facts) const {
    const auto match = last.rules->match(facts, NoneNow());
    if (match.service == nullptr) return "node";
    return match.rival == nullptr ? *match.service : *match.service + " or " + *match.rival;
  }
  [[nodiscard]] std::string note(const std::string& id) const {
    const auto found = last.notes.find(id);
    return found == last.notes.end() ? std::string() : found->second.text + (found->second.to_fix ? " (fix)" : "");
  }
};

model::ProcessMatch user(std::string name) { return {.unit = {}, .cgroup = {}, .user = std::move(name), .exe = {}}; }
model::ProcessMatch unit(std::string name) { return {.unit = std::move(name), .cgroup = {}, .user = {}, .exe = {}}; }

}  // namespace

TEST_CASE("a written user is a service's user, by name or number; an unknown one guards the service all the same") {
  World world;
  world.host->users = {{"shop", 1000}};
  world.add("web", 1, user("shop"));
  world.add("db", 2, user("nobody-knows"));
  world.look();
  EXPECT_EQ(world.who({.uid = 1000}), "web");
  EXPECT_EQ(world.who({.uid = 0}), "node");
  EXPECT(world.last.rules->guards("db"));
  EXPECT_EQ(world.note("db-1"), "there is no user nobody-knows on this host (fix)");
  EXPECT_EQ(world.host->cgroup_reads, 0);
}

TEST_CASE("a written unit is its cgroup and all below; it follows a restart, and guards the service while it is stopped") {
  World world;
  world.add("web", 1, unit("web.service"));
  world.look();
  EXPECT_EQ(world.note("web-0"), "the unit web.service does not run");
  EXPECT(world.last.rules->guards("web"));
  EXPECT_EQ(world.last.rules->rules()[0].folder, world.host->cgroup_root.file("system.slice/web.service"));
  const auto first = world.host->cgroup("system.slice/web.service");
  const auto below = world.host->cgroup("system.slice/web.service/worker");
  const auto other = world.host->cgroup("system.slice/web.service.d");
  world.look();
  EXPECT_EQ(world.note("web-0"), "");
  EXPECT_EQ(world.who({.uid = 5, .cgroup = first}), "web");
  EXPECT_EQ(world.who({.uid = 5, .cgroup = below}), "web");
  EXPECT_EQ(world.who({.uid = 5, .cgroup = other}), "node");
  std::filesystem::rename(world.host->cgroup_root.file("system.slice/web.service"), world.host->cgroup_root.file("old"));
  const auto second = world.host->cgroup("system.slice/web.service");
  world.look();
  EXPECT_EQ(world.who({.uid = 5, .cgroup = second}), "web");
  EXPECT_EQ(world.who({.uid = 5, .cgroup = first}), "node");
}

TEST_CASE("unit and user both hold or the rule does not; the narrowest of several rules decides") {
  World world;
  world.host->users = {{"shop", 1000}};
  const auto slice = world.host->cgroup("apps/shop");
  const auto cart = world.host->cgroup("apps/shop/cart");
  world.add("shop", 1, {.unit = {}, .cgroup = "apps/shop", .user = {}, .exe = {}});
  world.add("cart", 2, {.unit = {}, .cgroup = "/apps/shop/cart", .user = "shop", .exe = {}});
  world.add("site", 3, user("shop"));
  world.look();
  EXPECT_EQ(world.who({.uid = 1000, .cgroup = cart}), "cart");
  EXPECT_EQ(world.who({.uid = 1001, .cgroup = cart}), "shop");
  EXPECT_EQ(world.who({.uid = 1000, .cgroup = slice}), "shop");
  EXPECT_EQ(world.who({.uid = 1000, .cgroup = 1}), "site");
  world.add("other", 4, user("1000"));
  world.look();
  EXPECT_EQ(world.who({.uid = 1000, .cgroup = 1}), "site or other");
}

TEST_CASE("without a rule the user that listens on the port is the service's, and is remembered while nobody listens") {
  World world;
  world.add("web", 80);
  world.look();
  EXPECT_EQ(world.who({.uid = 1000}), "node");
  EXPECT_FALSE(world.last.rules->guards("web"));
  EXPECT_EQ(world.note("web-0"), "nothing has listened on its ports yet");
  world.host->listeners[80] = {.uid = 1000};
  world.look();
  EXPECT_EQ(world.who({.uid = 1000}), "web");
  EXPECT(world.last.rules->guards("web"));
  world.host->listeners.clear();
  world.look();
  EXPECT_EQ(world.who({.uid = 1000}), "web");
  world.host->listeners[80] = {.uid = 1001};
  world.look();
  EXPECT_EQ(world.who({.uid = 1001}), "web");
  EXPECT_EQ(world.who({.uid = 1000}), "node");
  world.services.clear();
  world.look();
  EXPECT(*world.last.rules == proxy::ProcessRules());
  world.add("web", 80);
  world.host->listeners.clear();
  world.look();
  EXPECT_EQ(world.who({.uid = 1001}), "node");  // registered anew: nothing is remembered
}

TEST_CASE("root and a user of several services identify nobody by default") {
  World world;
  world.add("web", 80);
  world.add("api", 81);
  world.add("admin", 82);
  world.add("web", 83);
  world.host->listeners = {{80, {.uid = 33}}, {81, {.uid = 33}}, {82, {.uid = 0}}, {83, {.uid = 34}}};
  world.look();
  EXPECT_EQ(world.who({.uid = 33}), "node");
  EXPECT_EQ(world.who({.uid = 0}), "node");
  EXPECT_EQ(world.who({.uid = 34}), "web");
  EXPECT_EQ(world.note("web-0"), "the user 33 that listens on its port runs api too (fix)");
  EXPECT_EQ(world.note("api-1"), "the user 33 that listens on its port runs web too (fix)");
  EXPECT_EQ(world.note("admin-2"), "root listens on its port, and not every process of root is the service (fix)");
  world.services[0].rule = user("33");  // written: web is the user's, api still cannot have it
  world.look();
  EXPECT_EQ(world.who({.uid = 33}), "web");
  EXPECT_EQ(world.note("api-1"), "the user 33 that listens on its port runs web too (fix)");
}

TEST_CASE("without a rule the unit that listens on the port is the service, also as root and with a shared user") {
  World world;
  const auto web = world.host->cgroup("system.slice/web.service");
  const auto db = world.host->cgroup("system.slice/db.service/main");
  world.add("web", 80);
  world.add("db", 81);
  world.host->listeners = {{80, {.uid = 0, .cgroup_id = web}}, {81, {.uid = 0, .cgroup_id = db}}};
  world.look();
  EXPECT_EQ(world.who({.uid = 33, .cgroup = web}), "web");
  EXPECT_EQ(world.who({.uid = 0, .cgroup = db}), "db");
  EXPECT_EQ(world.who({.uid = 0, .cgroup = 1}), "node");
  std::filesystem::remove_all(world.host->cgroup_root.file("system.slice/web.service"));
  world.host->listeners.erase(80);
  world.look();
  EXPECT(world.last.rules->guards("web"));
  EXPECT_EQ(world.note("web-0"), "the unit web.service does not run");
  const auto again = world.host->cgroup("system.slice/web.service");  // it calls before it listens
  world.look();
  EXPECT_EQ(world.who({.uid = 33, .cgroup = again}), "web");
}

TEST_CASE("a unit by default is the listening user's part of it; of root's it is all, since workers have another user") {
  World world;
  const auto web = world.host->cgroup("system.slice/web.service");
  world.add("web", 80);
  world.host->listeners[80] = {.uid = 33, .cgroup_id = web};
  world.look();
  EXPECT_EQ(world.who({.uid = 33, .cgroup = web}), "web");
  EXPECT_EQ(world.who({.uid = 34, .cgroup = web}), "node");
  EXPECT_EQ(world.who({.uid = 0, .cgroup = web}), "node");
  EXPECT_EQ(world.who({.uid = 33, .cgroup = 1}), "node");
  world.add("all", 81, {.unit = {}, .cgroup = "system.slice/web.service", .user = {}, .exe = {}});
  world.look();
  EXPECT_EQ(world.who({.uid = 33, .cgroup = web}), "all");  // written before a default
}

TEST_CASE("a unit that starts programs of many stands for none of them") {
  World world;
  const auto cron = world.host->cgroup("system.slice/cron.service");
  const auto docker = world.host->cgroup("system.slice/docker.service");
  const auto manager = world.host->cgroup("init.scope");
  const auto pair = world.host->cgroup("system.slice/pair.service");
  for (std::uint16_t port = 80; port < 85; ++port) world.add("s" + std::to_string(port), port);
  world.host->listeners = {{80, {.uid = 4001, .cgroup_id = cron}}, {81, {.uid = 0, .cgroup_id = docker}}, {82, {.uid = 0, .cgroup_id = manager}},
                           {83, {.uid = 0, .cgroup_id = pair}}, {84, {.uid = 5, .cgroup_id = pair}}};
  world.look();
  EXPECT_EQ(world.who({.uid = 4002, .cgroup = cron}), "node");
  EXPECT_EQ(world.who({.uid = 4001, .cgroup = cron}), "s80");
  EXPECT_EQ(world.who({.uid = 4001, .cgroup = 1}), "s80");  // its user, wherever it is
  EXPECT_EQ(world.who({.uid = 0, .cgroup = docker}), "node");
  EXPECT_EQ(world.note("s81-1"), "root listens on its port in docker.service, which runs programs of others too (fix)");
  EXPECT_EQ(world.note("s82-2"), "the system manager listens on its port (socket activation), so its processes cannot be told by it (fix)");
  EXPECT_EQ(world.note("s83-3"), "root listens on its port in pair.service, which is the unit of s84 too (fix)");
  EXPECT_FALSE(stands_for_itself("cron.service"));
  EXPECT_FALSE(stands_for_itself("user@1000.service"));
  EXPECT_FALSE(stands_for_itself("sshd@3-10.0.0.1.service"));
  EXPECT_FALSE(stands_for_itself("pm2-shop.service"));
  EXPECT_FALSE(stands_for_itself("session-4.scope"));
  EXPECT_FALSE(stands_for_itself(""));
  EXPECT(stands_for_itself("postgresql@15-main.service"));
  EXPECT(stands_for_itself("cron-report.service"));
}

TEST_CASE("two services of one unit are told apart by their users, if they have their own") {
  World world;
  const auto unit = world.host->cgroup("system.slice/both.service");
  world.add("web", 80);
  world.add("api", 81);
  world.host->listeners = {{80, {.uid = 1, .cgroup_id = unit}}, {81, {.uid = 2, .cgroup_id = unit}}};
  world.look();
  EXPECT_EQ(world.who({.uid = 1, .cgroup = unit}), "web");
  EXPECT_EQ(world.who({.uid = 2, .cgroup = unit}), "api");
  EXPECT_EQ(world.who({.uid = 3, .cgroup = unit}), "node");
}

TEST_CASE("the kernel's view knows the users of this host and the socket that listens") {
  auto view = KernelHostView::open();
  REQUIRE(view.ok());
  EXPECT_EQ(*(*view)->uid_of("root"), 0u);
  EXPECT(outcome_of((*view)->uid_of("no-such-user-here")) == Code::NotFound);
  EXPECT(outcome_of((*view)->listener_at({net::IpAddress::loopback(), 1})) == Code::NotFound);
}

}  // namespace mesh::agent
