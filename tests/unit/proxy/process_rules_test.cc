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
  Below is_below(std::uint64_t cgroup, const std::string& folder) const override {
    ++asked;
    if (folder == "/crowded") return Below::Unknown;
    return folder == "/web" && cgroup >= 90 && cgroup != 98 ? Below::Yes : Below::No;
  }
  mutable int asked = 0;
};

std::string source(const ProxySnapshot& snapshot, const CallerFacts& facts, const CgroupNow& now = Folders()) {
  const Caller caller = caller_of(snapshot, facts, now);
  if (!caller.unsure.empty()) return caller.source + ", perhaps " + caller.unsure;
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

TEST_CASE("a cgroup younger than the last look is looked for below the folders now, an older one is not") {
  const auto snapshot = with({{"web", 1000, "/web", {7}}, {"db", 1000, "/db", {}}});
  const Folders now;
  EXPECT_EQ(source(snapshot, {.uid = 1000, .cgroup = kSeen}, now), "node/host-a");
  EXPECT_EQ(now.asked, 0);
  EXPECT_EQ(source(snapshot, {.uid = 1000, .cgroup = 99}, now), "web");
  EXPECT_EQ(source(snapshot, {.uid = 1001, .cgroup = 99}, now), "node/host-a");
  EXPECT_EQ(source(snapshot, {.uid = 1000, .cgroup = 98}, now), "node/host-a");
}

TEST_CASE("a young cgroup that may be a service's is no other service's and not the node's") {
  const auto snapshot = with({{"web", 1000, "/web", {7}, 9}, {"shop", 1000, {}, {}, 2}, {"busy", 1000, "/crowded", {}, 9}});
  EXPECT_EQ(source(snapshot, {.uid = 1000, .cgroup = 95}), "web, perhaps busy");
  EXPECT_EQ(source(snapshot, {.uid = 1000, .cgroup = 98}), "shop, perhaps busy");
  EXPECT_EQ(source(snapshot, {.uid = 1001, .cgroup = 98}), "node/host-a");
  EXPECT_EQ(source(snapshot, {.uid = 1000, .cgroup = kSeen}), "shop");
}

TEST_CASE("a rule that would not win makes nobody unsure") {
  const auto snapshot = with({{"web", 1000, "/web", {7}, 9}, {"busy", 1000, "/crowded", {}, 8}});
  EXPECT_EQ(source(snapshot, {.uid = 1000, .cgroup = 95}), "web");
  const auto same = with({{"web", 1000, "/web", {7}, 8}, {"web", 1000, "/crowded", {}, 9}});
  EXPECT_EQ(source(same, {.uid = 1000, .cgroup = 95}), "web");
}

TEST_CASE("what was learned of a cgroup is asked once, but not that it cannot be told") {
  const Folders host;
  const CgroupMemory memory(host);
  for (int i = 0; i < 3; ++i) {
    EXPECT(memory.is_below(95, "/web") == Below::Yes);
    EXPECT(memory.is_below(98, "/web") == Below::No);
  }
  EXPECT_EQ(host.asked, 2);
  EXPECT(memory.is_below(95, "/crowded") == Below::Unknown);
  EXPECT(memory.is_below(95, "/crowded") == Below::Unknown);
  EXPECT_EQ(host.asked, 4);
  for (std::uint64_t id = 1000; id < 1000 + kCgroupMemoryMax; ++id) (void)memory.is_below(id, "/web");
  EXPECT(memory.is_below(95, "/web") == Below::Yes);  // forgotten, and asked anew
  EXPECT_EQ(host.asked, 4 + static_cast<int>(kCgroupMemoryMax) + 1);
}

TEST_CASE("rules are the same when they answer the same, whatever else was seen on the host") {
  const auto rules = [](std::vector<std::uint64_t> cgroups, std::vector<std::uint64_t> seen) {
    return ProcessRules({{"web", 1000, "/web", std::move(cgroups)}}, {}, std::move(seen));
  };
  EXPECT(rules({7}, {7, 8}) == rules({7}, {7, 9}));
  EXPECT_FALSE(rules({7}, {7}) == rules({6}, {7}));
  std::vector<std::uint64_t> many(kCgroupWalkMax + 1);
  for (std::size_t i = 0; i < many.size(); ++i) many[i] = i + 100;
  EXPECT_FALSE(rules(many, {7, 8}) == rules(many, {7, 9}));  // only a look can tell of a young one
}

TEST_CASE("a caller that is no service is told which rule it nearly meets") {
  const auto snapshot = with({{"web", 1000, "/web", {7}}, {"shop", 2000}});
  const Folders now;
  EXPECT_EQ(why_no_service(snapshot, {.uid = 0, .cgroup = 7}, now),
            "the caller (uid 0, cgroup 7) is no service: it is in the control group of web, which is uid 1000 in /web only");
  EXPECT_EQ(why_no_service(snapshot, {.uid = 0, .cgroup = 95}, now),
            "the caller (uid 0, cgroup 95) is no service: it is in the control group of web, which is uid 1000 in /web only");
  EXPECT_EQ(why_no_service(snapshot, {.uid = 1000, .cgroup = kSeen}, now),
            "the caller (uid 1000, cgroup 10) is no service: it has the user of web, which is uid 1000 in /web only");
  EXPECT_EQ(why_no_service(snapshot, {.uid = 3000, .cgroup = kSeen}, now), "");
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
