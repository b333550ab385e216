#include "raft/read_queue.h"

#include "tests/test.h"

namespace mesh::raft {
namespace {

TEST_CASE("a read is confirmed by its own round or a later one, never by an earlier one") {
  ReadQueue queue;
  queue.add({kNoServer, 1}, Index(5), 3);
  queue.add({kNoServer, 2}, Index(6), 4);
  EXPECT(queue.confirm(2).empty());
  EXPECT_EQ(queue.round_needed(), 4U);
  const auto first = queue.confirm(3);
  REQUIRE_EQ(first.size(), 1U);
  EXPECT(first[0].index == Index(5));
  EXPECT_EQ(queue.confirm(9).size(), 1U);
  EXPECT_EQ(queue.round_needed(), 0U);
}

TEST_CASE("reads wait until their index is applied") {
  ApplyWaiters waiters;
  waiters.add(Index(5), RequestId(1));
  waiters.add(Index(3), RequestId(2));
  waiters.add(Index(5), RequestId(3));
  EXPECT(waiters.take_through(Index(2)).empty());
  EXPECT_EQ(waiters.take_through(Index(4)).size(), 1U);
  const auto rest = waiters.take_through(Index(5));
  REQUIRE_EQ(rest.size(), 2U);
  EXPECT(rest[0].second == RequestId(1));
  EXPECT_EQ(waiters.size(), 0U);
}

}  // namespace
}  // namespace mesh::raft
