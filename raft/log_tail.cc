#include "raft/log_tail.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/mutant.h"

namespace mesh::raft {

void LogTail::reset(LogPosition base) {
  base_ = base;
  runs_.clear();
  base_offset_ = 0;
  offsets_.clear();
  entries_.clear();
}

void LogTail::append(Entry entry) {
  const LogPosition end = last();
  CHECK(entry.index == end.index + 1, "entry {} behind {}", entry.index.value(), end.index.value());
  CHECK(entry.term >= end.term, "term {} behind {}", entry.term.value(), end.term.value());
  if (runs_.empty() || runs_.back().term != entry.term) runs_.push_back({entry.index, entry.term});
  offsets_.push_back((offsets_.empty() ? base_offset_ : offsets_.back()) + entry_bytes(entry));
  entries_.push_back(std::move(entry));
}

void LogTail::truncate(Index from) {
  CHECK(from > base_.index && from <= last().index && from >= memory_first());
  const std::size_t dropped = last().index - from + 1;
  while (!runs_.empty() && runs_.back().first >= from) runs_.pop_back();
  offsets_.resize(offsets_.size() - dropped);
  entries_.resize(entries_.size() - dropped);
}

void LogTail::compact(Index through) {
  CHECK(through >= base_.index && through <= last().index);
  if (through == base_.index) return;
  const LogPosition base{through, term_at(through)};
  base_offset_ = offset(through);
  const auto dropped = static_cast<std::ptrdiff_t>(through - base_.index);
  while (!entries_.empty() && entries_.front().index <= through) entries_.pop_front();
  offsets_.erase(offsets_.begin(), offsets_.begin() + dropped);
  base_ = base;
  while (runs_.size() > 1 && runs_[1].first <= first()) runs_.erase(runs_.begin());
  if (offsets_.empty()) runs_.clear();
  if (!runs_.empty()) runs_.front().first = std::max(runs_.front().first, first());
}

void LogTail::release(Index through, ByteCount budget) {
  while (!entries_.empty() && entries_.front().index <= through &&
         bytes_between(entries_.front().index - 1, last().index) > budget.value())
    entries_.pop_front();
}

LogPosition LogTail::last() const {
  if (offsets_.empty()) return base_;
  return {base_.index + offsets_.size(), runs_.back().term};
}

Index LogTail::memory_first() const { return last().index + 1 - entries_.size(); }

Term LogTail::term_at(Index index) const {
  if (index == base_.index) return base_.term;
  if (index < base_.index || index > last().index) return Term{};
  const auto next = std::upper_bound(runs_.begin(), runs_.end(), index,
                                     [](Index i, const Run& run) { return i < run.first; });
  return (next - 1)->term;
}

bool LogTail::outdone_by(LogPosition other) const {
  if (MESH_MUTANT(VoteForShorterLog)) return true;
  const LogPosition mine = last();
  return other.term != mine.term ? other.term > mine.term : other.index >= mine.index;
}

LogPosition LogTail::last_below(LogPosition limit) const {
  Index end = last().index;
  for (auto run = runs_.rbegin(); run != runs_.rend(); ++run) {
    const Index index = std::min(end, limit.index);
    if (run->term <= limit.term && run->first <= index) return {index, run->term};
    end = run->first - 1;
  }
  return base_;
}

const Entry& LogTail::entry(Index index) const {
  CHECK(index >= memory_first() && index <= last().index);
  return entries_[index - memory_first()];
}

std::vector<Entry> LogTail::slice(Index from, Index end, ByteCount max_bytes) const {
  std::vector<Entry> out;
  std::uint64_t total = 0;
  for (Index i = from; i < end; ++i) {
    const Entry& next = entry(i);
    total += entry_bytes(next);
    if (!out.empty() && total > max_bytes.value()) break;
    out.push_back(next);
  }
  return out;
}

std::uint64_t LogTail::bytes_between(Index after, Index through) const {
  if (after < base_.index || through > last().index || after >= through) return 0;
  return offset(through) - offset(after);
}

Index LogTail::index_before_tail(ByteCount tail) const {
  const std::uint64_t end = offset(last().index);
  if (end - base_offset_ < tail.value()) return base_.index;
  const auto behind = std::upper_bound(offsets_.begin(), offsets_.end(), end - tail.value());
  return base_.index + static_cast<std::uint64_t>(behind - offsets_.begin());
}

std::uint64_t LogTail::offset(Index index) const {
  return index == base_.index ? base_offset_ : offsets_[index - base_.index - 1];
}

}  // namespace mesh::raft
