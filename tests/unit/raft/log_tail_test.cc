#include "raft/log_tail.h"

#include "tests/test.h"

namespace mesh::raft {
namespace {

LogPosition at(std::uint64_t index, std::uint64_t term) { return {Index(index), Term(term)}; }

// Entries behind 10@2 with these terms.
LogTail tail(const std::vector<std::uint64_t>& terms) {
  LogTail log(at(10, 2));
  for (const std::uint64_t term : terms)
    log.append({log.last().index + 1, Term(term), EntryKind::Command, Bytes(68, 'x')});  // 100 bytes each
  return log;
}

TEST_CASE("terms are known for the base and every entry, and for nothing else") {
  const LogTail log = tail({2, 3, 3, 5});
  EXPECT(log.last() == at(14, 5));
  EXPECT(log.term_at(Index(9)) == Term(0));
  EXPECT(log.term_at(Index(10)) == Term(2));
  EXPECT(log.term_at(Index(12)) == Term(3));
  EXPECT(log.term_at(Index(14)) == Term(5));
  EXPECT(log.term_at(Index(15)) == Term(0));
  EXPECT(log.holds(at(13, 3)));
  EXPECT_FALSE(log.holds(at(13, 5)));
}

TEST_CASE("the last position below a limit skips whole terms") {
  const LogTail log = tail({2, 3, 3, 5});
  EXPECT(log.last_below(at(20, 9)) == at(14, 5));
  EXPECT(log.last_below(at(14, 4)) == at(13, 3));
  EXPECT(log.last_below(at(12, 9)) == at(12, 3));
  EXPECT(log.last_below(at(14, 1)) == at(10, 2));
  EXPECT(log.last_below(at(3, 9)) == at(10, 2));
}

TEST_CASE("everything behind the base can be cut off") {
  LogTail log = tail({2, 3, 3});
  log.truncate(Index(11));
  EXPECT(log.last() == at(10, 2));
  log.append({Index(11), Term(4), EntryKind::Noop, {}});
  EXPECT(log.last() == at(11, 4));
}

TEST_CASE("a log is outdone by a later term, or by the same term and at least the same length") {
  const LogTail log = tail({3, 3});
  EXPECT(log.outdone_by(at(12, 3)));
  EXPECT(log.outdone_by(at(1, 4)));
  EXPECT_FALSE(log.outdone_by(at(11, 3)));
  EXPECT_FALSE(log.outdone_by(at(99, 2)));
}

TEST_CASE("truncation, compaction and release keep counts and terms right") {
  LogTail log = tail({2, 3, 3, 5, 5, 6});
  EXPECT_EQ(log.bytes(), 600U);
  log.truncate(Index(15));
  EXPECT(log.last() == at(14, 5));
  EXPECT_EQ(log.bytes(), 400U);
  log.append({Index(15), Term(7), EntryKind::Command, {}});
  log.compact(Index(12));
  EXPECT(log.base() == at(12, 3));
  EXPECT(log.term_at(Index(13)) == Term(3));
  EXPECT(log.term_at(Index(15)) == Term(7));
  EXPECT_EQ(log.bytes_between(Index(12), Index(14)), 200U);
  log.release(Index(13), ByteCount(0));
  EXPECT(log.memory_first() == Index(14));
  EXPECT(log.term_at(Index(13)) == Term(3));
  log.compact(Index(15));
  EXPECT(log.last() == at(15, 7));
  EXPECT_EQ(log.bytes(), 0U);
  log.append({Index(16), Term(7), EntryKind::Command, {}});
  EXPECT(log.last() == at(16, 7));
}

TEST_CASE("the index before a tail leaves at least that many bytes") {
  const LogTail log = tail({2, 2, 2, 2});
  EXPECT(log.index_before_tail(ByteCount(0)) == Index(14));
  EXPECT(log.index_before_tail(ByteCount(1)) == Index(13));
  EXPECT(log.index_before_tail(ByteCount(200)) == Index(12));
  EXPECT(log.index_before_tail(ByteCount(1000)) == Index(10));
}

TEST_CASE("a slice is bounded by bytes but has one entry at least") {
  const LogTail log = tail({2, 2, 2, 2});
  EXPECT_EQ(log.slice(Index(11), Index(15), ByteCount(250)).size(), 2U);
  EXPECT_EQ(log.slice(Index(11), Index(15), ByteCount(1)).size(), 1U);
  EXPECT(log.slice(Index(15), Index(15), ByteCount(1)).empty());
}

}  // namespace
}  // namespace mesh::raft
