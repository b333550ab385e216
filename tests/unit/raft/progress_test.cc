#include "raft/progress.h"

#include "tests/test.h"

namespace mesh::raft {
namespace {

constexpr MonoTime kStart{};

CoreOptions options() {
  CoreOptions o;
  o.inflight_messages_max = 2;
  o.inflight_bytes_max = ByteCount(100);
  return o;
}

Progress replicating(std::uint64_t match) {
  Progress progress(Index(match + 1), kStart);
  progress.sent(Index(match), 0, kStart);
  progress.accepted(Index(match));
  return progress;
}

TEST_CASE("a probe sends one message and waits") {
  Progress progress(Index(5), kStart);
  EXPECT(progress.has_room(options()));
  progress.sent(Index(4), 0, kStart);
  EXPECT_FALSE(progress.has_room(options()));
  EXPECT_FALSE(progress.answered_heartbeat(kStart + milliseconds(10), milliseconds(50)));
  EXPECT_FALSE(progress.has_room(options()));
  EXPECT_FALSE(progress.answered_heartbeat(kStart + milliseconds(50), milliseconds(50)));
  EXPECT(progress.has_room(options()));
}

TEST_CASE("a refused probe goes back, a stale refusal changes nothing") {
  Progress progress(Index(9), kStart);
  progress.sent(Index(8), 0, kStart);
  EXPECT_FALSE(progress.rejected(Index(5), Index(2)));
  EXPECT(progress.rejected(Index(8), Index(3)));
  EXPECT(progress.next() == Index(4));
  EXPECT(progress.has_room(options()));
}

TEST_CASE("the window is bounded in messages and in bytes") {
  Progress progress = replicating(4);
  progress.sent(Index(5), 10, kStart);
  EXPECT(progress.has_room(options()));
  SUBCASE("messages") { progress.sent(Index(6), 10, kStart); }
  SUBCASE("bytes") { progress.sent(Index(8), 90, kStart); }
  EXPECT_FALSE(progress.has_room(options()));
  EXPECT(progress.accepted(Index(5)));
  EXPECT(progress.has_room(options()));
  progress.check_invariants();
}

TEST_CASE("next stays above match when answers come late or twice") {
  Progress progress = replicating(4);
  progress.sent(Index(9), 10, kStart);
  EXPECT(progress.accepted(Index(9)));
  EXPECT_FALSE(progress.accepted(Index(6)));
  EXPECT_FALSE(progress.rejected(Index(7), Index(0)));
  EXPECT(progress.match() == Index(9));
  EXPECT(progress.next() == Index(10));
  progress.check_invariants();
}

TEST_CASE("a refusal in the window means loss: back to looking for the end") {
  Progress progress = replicating(4);
  progress.sent(Index(6), 10, kStart);
  EXPECT(progress.rejected(Index(6), Index(4)));
  EXPECT(progress.probing());
  EXPECT(progress.next() == Index(5));
}

TEST_CASE("a damaged follower is forgotten once, and answers from before do not count") {
  Progress progress = replicating(7);
  REQUIRE(progress.admit(77, Index(9)));
  EXPECT(progress.match() == Index(0));
  EXPECT(progress.repair() == Repair{77, Index(9)});
  EXPECT_FALSE(progress.admit(0, Index(9)));  // sent before the damage
  REQUIRE(progress.admit(77, Index(12)));
  EXPECT(progress.repair().through == Index(9));
  progress.accepted(Index(8));
  EXPECT(progress.counted_match() == Index(0));
  progress.accepted(Index(9));
  EXPECT(progress.counted_match() == Index(9));
  REQUIRE(progress.admit(0, Index(12)));  // whole again
  EXPECT(progress.repair() == Repair{});
  EXPECT_FALSE(progress.admit(77, Index(12)));  // late
  REQUIRE(progress.admit(78, Index(12)));       // damaged again
  EXPECT(progress.match() == Index(0));
}

}  // namespace
}  // namespace mesh::raft
