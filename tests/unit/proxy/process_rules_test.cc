// Which service a process may act as, as a table over rules.
#include "agent/proxy/process_rules.h"

#include "agent/proxy/caller.h"
#include "tests/test.h"

namespace mesh::proxy {

namespace {

constexpr std::uint64_t kSeen = 10;  // a cgroup that was there at the last look

ProxySnapshot with(std::vector<ProcessRule> rules, std::vector<std::string> guarded = {}) {
  ProxySnapshot snapshot;
  snapshot.node_name = "host-a";
  snapshot.processes = std::make_shared<const ProcessRules>(std::move(rules), std::move(guarded), std::vector<std::uint64_t>{kSeen});
  return snapshot;
}

struct Folders final : CgroupNow {
  std::uint64_t cgroup_at(const std::string& folder) const override {
    ++asked;
    return folder == "/web" ? 99 : 0;
  }
  mutable int asked = 0;
};

std::string source(const ProxySnapshot& snapshot, const CallerFacts& facts, const CgroupNow& now = Folders()) {
  const Caller caller = caller_of(snapshot, facts, now);
  return caller.rival.empty() ? caller.source : caller.source + " or " + caller.rival;
}

}  // namespace

TEST_CASE("a process that no rule names is its node") {
  const auto snapshot = with({{"web", 1000}, {"db", {}, "/db", {7, 8}}});
  EXPECT_EQ(source(snapshot, {.uid = 1000}), "web");
  EXPECT_EQ(source(snapshot, {.uid = 1001}), "node/host-a");
  EXPECT_EQ(source(snapshot, {.uid = 1001, .cgroup = 8}), "db");
  EXPECT_EQ(source(snapshot, {.uid = 1001, .cgroup = 9}), "node/host-a");
  EXPECT_EQ(source(snapshot, {}), "node/host-a");
  EXPECT_EQ(source(with({ProcessRule{"web"}}), {.uid = 0, .cgroup = 1}), "node/host-a");  // a rule that names nothing
}

TEST_CASE("all that a rule names must hold") {
  const auto snapshot = with({{"web", 1000, "/web", {7}}});
  EXPECT_EQ(source(snapshot, {.uid = 1000, .cgroup = 7}), "web");
  EXPECT_EQ(source(snapshot, {.uid = 1001, .cgroup = 7}), "node/host-a");
  EXPECT_EQ(source(snapshot, {.uid = 1000, .cgroup = 8}), "node/host-a");
  EXPECT_EQ(source(snapshot, {.uid = 1000}), "node/host-a");
}

TEST_CASE("a cgroup younger than the last look is compared with what stands at the folders now, an older one is not") {
  const auto snapshot = with({{"web", 1000, "/web", {7}}, {"db", 1000, "/db", {}}});
  const Folders now;
  EXPECT_EQ(source(snapshot, {.uid = 1000, .cgroup = kSeen}, now), "node/host-a");
  EXPECT_EQ(now.asked, 0);
  EXPECT_EQ(source(snapshot, {.uid = 1000, .cgroup = 99}, now), "web");
  EXPECT_EQ(source(snapshot, {.uid = 1001, .cgroup = 99}, now), "node/host-a");
  EXPECT_EQ(source(snapshot, {.uid = 1000, .cgroup = 98}, now), "node/host-a");
}

TEST_CASE("the narrower of two rules decides; equally narrow ones of two services make a process ambiguous") {
  const auto snapshot = with({{"site", 1000, {}, {}, 3}, {"web", {}, "/web", {7}, 8}, {"web", 1000, {}, {}, 3}, {"api", {}, "/api", {9}, 8},
                              {"api", {}, "/api", {9}, 8}, {"shop", 2000, {}, {}, 3}, {"shop", 2000, {}, {}, 3}});
  EXPECT_EQ(source(snapshot, {.uid = 1000, .cgroup = 7}), "web");
  EXPECT_EQ(source(snapshot, {.uid = 1000, .cgroup = 9}), "api");
  EXPECT_EQ(source(snapshot, {.uid = 1000, .cgroup = kSeen}), "site or web");
  EXPECT_EQ(source(snapshot, {.uid = 2000}), "shop");  // two instances of one service
}

TEST_CASE("a listener is for its service's processes; while nobody can say who they are, for all that are no other service") {
  const auto snapshot = with({{"web", 1000}}, {"stopped"});
  EXPECT(may_use_bind(snapshot, "web", "web"));
  EXPECT_FALSE(may_use_bind(snapshot, "node/host-a", "web"));
  EXPECT_FALSE(may_use_bind(snapshot, "node/host-a", "stopped"));  // its rule names a unit that does not run
  EXPECT(may_use_bind(snapshot, "node/host-a", "legacy"));
  EXPECT_FALSE(may_use_bind(snapshot, "web", "legacy"));
}

}  // namespace mesh::proxy
