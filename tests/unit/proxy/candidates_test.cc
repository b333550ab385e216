#include "agent/proxy/candidates.h"

#include <map>

#include "tests/test.h"

namespace mesh::proxy {

namespace {

MeshEndpoint endpoint(const std::string& id, std::uint32_t weight = 1, bool healthy = true) {
  MeshEndpoint made;
  made.node_id = model::NodeId("node-of-" + id);
  made.instance_id = id;
  made.weight = weight;
  made.healthy = healthy;
  return made;
}

}  // namespace

TEST_CASE("turns go round the healthy instances") {
  const std::vector<MeshEndpoint> all = {endpoint("a"), endpoint("b", 1, false), endpoint("c"), endpoint("d", 0)};
  const FailureMemory none;
  EXPECT(candidates(all, none, {.turn = 0}) == std::vector<std::uint32_t>{0, 2});
  EXPECT(candidates(all, none, {.turn = 1}) == std::vector<std::uint32_t>{2, 0});
  EXPECT(candidates(all, none, {.turn = 2}) == std::vector<std::uint32_t>{0, 2});
  EXPECT(candidates({endpoint("b", 1, false)}, none, {}).empty());
  EXPECT(candidates({}, none, {}).empty());
}

TEST_CASE("weights decide how often an instance comes first") {
  const std::vector<MeshEndpoint> all = {endpoint("a", 3), endpoint("b", 1)};
  std::map<std::uint32_t, int> first;
  for (std::uint64_t turn = 0; turn < 1000; ++turn) ++first[candidates(all, {}, {.turn = turn}).front()];
  EXPECT(first[0] > 740);
  EXPECT(first[0] < 760);
  EXPECT_EQ(first[0] + first[1], 1000);
}

TEST_CASE("what failed a moment ago comes last until its time is over or it has answered") {
  const std::vector<MeshEndpoint> all = {endpoint("a"), endpoint("b"), endpoint("c"), endpoint("d")};
  FailureMemory failures;
  const MonoTime start{};
  failures.remember(all[0], start, seconds(5));
  failures.remember(all[1], start, seconds(5));
  EXPECT(candidates(all, failures, {.turn = 0, .now = start, .count_max = 4}) ==
         std::vector<std::uint32_t>{2, 3, 0, 1});
  EXPECT(candidates(all, failures, {.turn = 0, .now = start, .count_max = 3}) == std::vector<std::uint32_t>{2, 3, 0});
  failures.forget(all[0]);
  EXPECT(candidates(all, failures, {.turn = 0, .now = start}) == std::vector<std::uint32_t>{0, 2, 3});
  EXPECT(candidates(all, failures, {.turn = 1, .now = start + seconds(5)}).front() == 1);
}

TEST_CASE("the memory of failures is bounded") {
  FailureMemory failures;
  for (std::size_t n = 0; n < 3 * kFailuresRememberedMax; ++n)
    failures.remember(endpoint(std::to_string(n)), MonoTime{}, seconds(5));
  EXPECT(failures.recent(endpoint(std::to_string(3 * kFailuresRememberedMax - 1)), MonoTime{}));
  EXPECT_FALSE(failures.recent(endpoint("0"), MonoTime{}));
}

}  // namespace mesh::proxy
