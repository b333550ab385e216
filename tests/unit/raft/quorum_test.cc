#include "raft/quorum.h"

#include "tests/test.h"

namespace mesh::raft {
namespace {

TEST_CASE("a quorum value is the largest that a majority has reached") {
  EXPECT_EQ(quorum_value<int>({7}), 7);
  EXPECT_EQ(quorum_value<int>({7, 3}), 3);
  EXPECT_EQ(quorum_value<int>({1, 5, 9}), 5);
  EXPECT_EQ(quorum_value<int>({4, 4, 1, 9}), 4);
  EXPECT_EQ(quorum_value<int>({2, 9, 9, 1, 3}), 3);
}

TEST_CASE("any two majorities of one configuration meet") {
  for (std::size_t n = 1; n <= 9; ++n) EXPECT_GT(2 * majority(n), n);
}

TEST_CASE("an election is won by a majority of voters and lost when none is left to win it") {
  const Configuration three{{ServerId(1), ServerId(2), ServerId(3)}, {ServerId(4)}};
  VoteTally tally;
  tally.record(ServerId(1), true);
  EXPECT(tally.result(three) == VoteResult::Pending);
  SUBCASE("a learner's vote does not count") {
    tally.record(ServerId(4), true);
    EXPECT(tally.result(three) == VoteResult::Pending);
  }
  SUBCASE("a second answer of a voter does not count") {
    tally.record(ServerId(2), false);
    tally.record(ServerId(2), true);
    EXPECT(tally.result(three) == VoteResult::Pending);
    tally.record(ServerId(3), false);
    EXPECT(tally.result(three) == VoteResult::Lost);
  }
  SUBCASE("the second of three wins it") {
    tally.record(ServerId(3), true);
    EXPECT(tally.result(three) == VoteResult::Won);
  }
}

}  // namespace
}  // namespace mesh::raft
