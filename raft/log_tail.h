// The log as the core sees it: the term and size of every entry it holds, and the entries themselves as far as they
// are in memory. Older entries stay on disk; the driver loads them (Actions::loads). Pure; one thread.
//
//   base | first ............ memory_first ............ last
//          terms and sizes only   whole entries
//
// Cost per entry outside memory: 8 bytes. Terms are kept as runs.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <vector>

#include "base/strong.h"
#include "raft/types.h"

namespace mesh::raft {

class LogTail {
 public:
  explicit LogTail(LogPosition base) { reset(base); }

  // Drops everything and begins behind `base`.
  void reset(LogPosition base);
  // REQUIRES entry.index == last().index + 1, entry.term >= last().term.
  void append(Entry entry);
  // Drops `from` and everything behind it. REQUIRES base().index < from <= last().index, from >= memory_first().
  void truncate(Index from);
  // `through` becomes the base. REQUIRES base().index <= through <= last().index.
  void compact(Index through);
  // Drops entries through `through` from memory, oldest first, until at most `budget` bytes are left in memory.
  void release(Index through, ByteCount budget);

  [[nodiscard]] LogPosition base() const { return base_; }
  [[nodiscard]] LogPosition last() const;
  [[nodiscard]] Index first() const { return base_.index + 1; }
  [[nodiscard]] Index memory_first() const;

  // Term(0) outside [base, last].
  [[nodiscard]] Term term_at(Index index) const;
  [[nodiscard]] bool holds(LogPosition position) const {
    return position.index >= base_.index && position.index <= last().index && term_at(position.index) == position.term;
  }
  // Is a log that ends at `other` at least as complete as this one (thesis 3.6.1)?
  [[nodiscard]] bool outdone_by(LogPosition other) const;
  // The last position whose index and term are both at most those of `limit`; the base if none is.
  [[nodiscard]] LogPosition last_below(LogPosition limit) const;

  // REQUIRES memory_first() <= index <= last().index.
  [[nodiscard]] const Entry& entry(Index index) const;
  // Copies of [from, end), at most max_bytes of entry_bytes but at least one entry. REQUIRES memory_first() <= from,
  // end <= last().index + 1; empty if from >= end.
  [[nodiscard]] std::vector<Entry> slice(Index from, Index end, ByteCount max_bytes) const;

  // Bytes (entry_bytes) of entries in (after, through]. REQUIRES base <= after <= through <= last; else 0.
  [[nodiscard]] std::uint64_t bytes_between(Index after, Index through) const;
  [[nodiscard]] std::uint64_t bytes() const { return bytes_between(base_.index, last().index); }
  // The largest index that still leaves at least `tail` bytes behind it; the base if there is none.
  [[nodiscard]] Index index_before_tail(ByteCount tail) const;

 private:
  struct Run {
    Index first;
    Term term;
  };

  [[nodiscard]] std::uint64_t offset(Index index) const;

  LogPosition base_;
  std::vector<Run> runs_;             // of the entries behind the base, by index
  std::uint64_t base_offset_ = 0;     // bytes ever appended, through the base
  std::deque<std::uint64_t> offsets_;  // the same through each entry behind the base
  std::deque<Entry> entries_;         // the end of the log
};

}  // namespace mesh::raft
