#include "raft/outbox.h"

#include "tests/test.h"

namespace mesh::raft {
namespace {

Entry entry(std::uint64_t index, std::uint64_t term) { return {Index(index), Term(term), EntryKind::Command, {}}; }
Message message(std::uint64_t round) {
  return {ServerId(1), ServerId(2), Term(1), HeartbeatResponse{.round = round, .repair_nonce = 0}};
}

TEST_CASE("a message leaves only when everything before it is durable") {
  Outbox outbox({Term(1), {}}, Index(0));
  EXPECT(outbox.hold(message(1)).has_value());
  outbox.append(entry(1, 1));
  EXPECT_FALSE(outbox.hold(message(2)).has_value());
  const auto first = outbox.take_batch();
  REQUIRE(first.has_value());
  EXPECT_FALSE(outbox.hold(message(3)).has_value());  // waits for the outstanding batch alone
  outbox.append(entry(2, 1));
  EXPECT_FALSE(outbox.hold(message(4)).has_value());
  EXPECT_FALSE(outbox.take_batch().has_value());      // one at a time
  EXPECT_EQ(outbox.persisted(first->number).size(), 2U);
  EXPECT(outbox.durable() == Index(1));
  const auto second = outbox.take_batch();
  REQUIRE(second.has_value());
  EXPECT_EQ(second->entries.size(), 1U);
  EXPECT_EQ(outbox.persisted(second->number).size(), 1U);
  EXPECT(outbox.idle());
}

TEST_CASE("entries cut off while they are being written do not count as durable") {
  Outbox outbox({Term(1), {}}, Index(0));
  for (std::uint64_t i = 1; i <= 4; ++i) outbox.append(entry(i, 1));
  const auto first = outbox.take_batch();
  outbox.append(entry(5, 1));
  outbox.truncate(Index(3));
  outbox.append(entry(3, 2));
  (void)outbox.persisted(first->number);
  EXPECT(outbox.durable() == Index(2));
  const auto second = outbox.take_batch();
  REQUIRE(second.has_value());
  EXPECT(second->truncate_from == Index(3));
  REQUIRE_EQ(second->entries.size(), 1U);
  EXPECT(second->entries[0] == entry(3, 2));
  (void)outbox.persisted(second->number);
  EXPECT(outbox.durable() == Index(3));
}

TEST_CASE("entries cut off before they were handed to the disk never reach it") {
  Outbox outbox({Term(1), {}}, Index(2));
  outbox.append(entry(3, 1));
  outbox.append(entry(4, 1));
  outbox.truncate(Index(4));
  const auto batch = outbox.take_batch();
  EXPECT_FALSE(batch->truncate_from.has_value());
  EXPECT_EQ(batch->entries.size(), 1U);
}

TEST_CASE("a new log behind a snapshot replaces what waited") {
  Outbox outbox({Term(1), {}}, Index(2));
  outbox.append(entry(3, 1));
  const auto first = outbox.take_batch();
  outbox.append(entry(4, 1));
  outbox.reset(LogBase{{Index(9), Term(3)}, {}, {}});
  outbox.append(entry(10, 3));
  (void)outbox.persisted(first->number);
  EXPECT(outbox.durable() == Index(9));
  const auto second = outbox.take_batch();
  REQUIRE(second->reset.has_value());
  EXPECT_EQ(second->entries.size(), 1U);
  (void)outbox.persisted(second->number);
  EXPECT(outbox.durable() == Index(10));
}

TEST_CASE("an acknowledgement of entries that a new log drops never leaves") {
  Outbox outbox({Term(1), {}}, Index(3));
  for (std::uint64_t i = 4; i <= 9; ++i) outbox.append(entry(i, 1));
  const auto first = outbox.take_batch();
  const auto ack = [](std::uint64_t index) {
    return Message{ServerId(1), ServerId(2), Term(1), AppendResponse{false, Index(index), {}, 0}};
  };
  EXPECT_FALSE(outbox.hold(ack(9)).has_value());
  EXPECT_FALSE(outbox.hold(ack(8)).has_value());
  outbox.reset({{Index(8), Term(1)}, {}, {}});
  const auto left = outbox.persisted(first->number);
  REQUIRE_EQ(left.size(), 1U);
  EXPECT(left[0] == ack(8));  // the snapshot holds it
}

TEST_CASE("settled asks for the hard state and the log") {
  Outbox outbox({Term(1), {}}, Index(5));
  EXPECT(outbox.settled(Index(5)));
  EXPECT_FALSE(outbox.settled(Index(6)));
  outbox.set_hard_state({Term(2), ServerId(1)});
  EXPECT_FALSE(outbox.settled(Index(5)));
  const auto batch = outbox.take_batch();
  EXPECT_FALSE(outbox.settled(Index(5)));
  (void)outbox.persisted(batch->number);
  EXPECT(outbox.settled(Index(5)));
  EXPECT(outbox.durable_hard_state() == HardState{Term(2), ServerId(1)});
}

}  // namespace
}  // namespace mesh::raft
