#include "base/rng.h"

#include "tests/test.h"

#include <set>

namespace mesh {
namespace {

TEST_CASE("the same seed gives the same sequence, another seed another one") {
  Rng a(7), b(7), c(8);
  const std::uint64_t first = a.next();
  EXPECT_EQ(first, b.next());
  EXPECT_NE(first, c.next());
}

TEST_CASE("below stays in range and reaches every value") {
  Rng rng(1);
  std::set<std::uint64_t> seen;
  for (int i = 0; i < 1000; ++i) seen.insert(rng.below(7));
  EXPECT_EQ(seen.size(), 7);
  EXPECT_EQ(*seen.rbegin(), 6);
}

TEST_CASE("a duration between two bounds includes both") {
  Rng rng(2);
  bool low = false, high = false;
  for (int i = 0; i < 200; ++i) {
    const Duration d = rng.between(nanoseconds(1), nanoseconds(3));
    low |= d == nanoseconds(1);
    high |= d == nanoseconds(3);
  }
  EXPECT(low);
  EXPECT(high);
}

}  // namespace
}  // namespace mesh
