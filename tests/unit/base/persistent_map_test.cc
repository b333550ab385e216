#include "base/persistent_map.h"

#include "tests/test.h"

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/rng.h"

namespace mesh {
namespace {

using Map = PersistentMap<std::string, int>;
using Model = std::map<std::string, int, std::less<>>;

void expect_equal(const Map& map, const Model& model) {
  map.check_shape();
  REQUIRE_EQ(map.size(), model.size());
  auto it = map.begin();
  for (const auto& [key, value] : model) {
    REQUIRE(it != map.end());
    REQUIRE_EQ(it->first, key);
    REQUIRE_EQ(it->second, value);
    ++it;
  }
  REQUIRE(it == map.end());
}

TEST_CASE("an empty map has nothing and ends where it begins") {
  Map map;
  EXPECT(map.empty());
  EXPECT(map.begin() == map.end());
  EXPECT(map.find("a") == nullptr);
  EXPECT(map.lower_bound("a") == map.end());
  EXPECT_FALSE(map.erase("a"));
}

TEST_CASE("a copy is a version that later changes do not touch") {
  Map first;
  for (int i = 0; i < 500; ++i) first.set(fmt::format("key{:04}", i), i);
  Map second = first;
  EXPECT(first.same_version(second));
  EXPECT_FALSE(second.set("key0250", -1));
  EXPECT(second.set("new", 7));
  EXPECT(second.erase("key0000"));
  EXPECT_EQ(*first.find("key0250"), 250);
  EXPECT_EQ(first.find("new"), nullptr);
  EXPECT_EQ(*first.find("key0000"), 0);
  EXPECT_EQ(*second.find("key0250"), -1);
  EXPECT_EQ(first.size(), 500);
  EXPECT_EQ(second.size(), 500);
}

TEST_CASE("keys in order or in reverse keep the tree in shape") {
  for (const bool up : {true, false}) {
    Map map;
    Model model;
    for (int i = 0; i < 5000; ++i) {
      const std::string key = fmt::format("{:05}", up ? i : 4999 - i);
      map.set(key, i);
      model[key] = i;
    }
    expect_equal(map, model);
    for (int i = 0; i < 5000; i += 2) {
      map.erase(fmt::format("{:05}", i));
      model.erase(fmt::format("{:05}", i));
    }
    expect_equal(map, model);
    map.clear();
    EXPECT(map.empty());
  }
}

// Random changes on the newest version; every 50th version is kept and compared at the end with what it was.
void run_differential(std::uint64_t seed, std::uint64_t keys, int steps) {
  Rng rng(seed);
  Map map;
  Model model;
  std::vector<std::pair<Map, Model>> kept;
  for (int step = 0; step < steps; ++step) {
    const std::string key = fmt::format("{}", rng.below(keys));
    if (rng.chance_ppm(step % 2000 < 1000 ? 700'000 : 250'000)) {
      EXPECT_EQ(map.set(key, step), model.insert_or_assign(key, step).second);
    } else {
      EXPECT_EQ(map.erase(key), model.erase(key) == 1);
    }
    if (step % 50 == 0) kept.emplace_back(map, model);
    const std::string probe = fmt::format("{}", rng.below(keys));
    const auto low = map.lower_bound(probe);
    const auto expected = model.lower_bound(probe);
    REQUIRE_EQ(low == map.end(), expected == model.end());
    if (low != map.end()) REQUIRE_EQ(low->first, expected->first);
  }
  for (const auto& [version, was] : kept) expect_equal(version, was);
}

TEST_CASE("random changes agree with std::map, and so does every old version") {
  run_differential(1, 40, 4000);
  run_differential(2, 3000, 8000);
  for (std::uint64_t seed = 10; seed < 20; ++seed) run_differential(seed, 400, 3000);
}

TEST_CASE("iteration from a lower bound walks to the end") {
  Map map;
  for (int i = 0; i < 2000; ++i) map.set(fmt::format("{:05}", i), i);
  int expected = 1234;
  for (auto it = map.lower_bound(std::string_view("01234")); it != map.end(); ++it)
    EXPECT_EQ(it->second, expected++);
  EXPECT_EQ(expected, 2000);
}

TEST_CASE("values are released with the last version that holds them") {
  auto value = std::make_shared<int>(1);
  PersistentMap<int, std::shared_ptr<int>> map;
  for (int i = 0; i < 100; ++i) map.set(i, value);
  auto old = map;
  for (int i = 0; i < 100; ++i) map.erase(i);
  EXPECT_EQ(value.use_count(), 101);
  old.clear();
  EXPECT_EQ(value.use_count(), 1);
}

}  // namespace
}  // namespace mesh
