// Linearizable reads at the leader (thesis 6.4, ReadIndex) and the reads that wait until an index is applied. Pure.
//
// A read is bound to a heartbeat round that begins after it arrived; when a quorum has answered that round or a later
// one, nobody else led when the read arrived, so the commit index noted then is recent enough. Rounds are never
// reused: a repeated heartbeat is a new round (a reused id once let etcd answer stale reads after a pause).
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <utility>
#include <vector>

#include "raft/event.h"
#include "raft/types.h"

namespace mesh::raft {

// Who asked: a client of this server (follower == kNoServer), or another server on behalf of its own.
struct ReadSource {
  ServerId follower;
  std::uint64_t id = 0;  // RequestId, or ReadRequest::id
};

struct ConfirmedRead {
  ReadSource source;
  Index index;
};

class ReadQueue {
 public:
  // A read that must be confirmed by `round` or a later one.
  void add(ReadSource source, Index commit, std::uint64_t round) { waiting_.push_back({source, commit, round}); }

  // A quorum has answered `round`: takes out what that confirms.
  [[nodiscard]] std::vector<ConfirmedRead> confirm(std::uint64_t round) {
    std::vector<ConfirmedRead> confirmed;
    for (; !waiting_.empty() && waiting_.front().round <= round; waiting_.pop_front())
      confirmed.push_back({waiting_.front().source, waiting_.front().index});
    return confirmed;
  }

  // The round that the newest read needs; 0: none waits.
  [[nodiscard]] std::uint64_t round_needed() const { return waiting_.empty() ? 0 : waiting_.back().round; }
  [[nodiscard]] std::size_t size() const { return waiting_.size(); }
  [[nodiscard]] std::vector<ConfirmedRead> take_all() { return confirm(UINT64_MAX); }

 private:
  struct Waiting {
    ReadSource source;
    Index index;
    std::uint64_t round = 0;
  };
  std::deque<Waiting> waiting_;  // by round
};

// Reads whose index is known and not yet applied here.
class ApplyWaiters {
 public:
  void add(Index index, RequestId id) { waiting_.emplace(index, id); }
  [[nodiscard]] std::vector<std::pair<Index, RequestId>> take_through(Index applied) {
    const auto end = waiting_.upper_bound(applied);
    std::vector<std::pair<Index, RequestId>> ready(waiting_.begin(), end);
    waiting_.erase(waiting_.begin(), end);
    return ready;
  }
  [[nodiscard]] std::size_t size() const { return waiting_.size(); }

 private:
  std::multimap<Index, RequestId> waiting_;  // equal indexes in order of arrival
};

}  // namespace mesh::raft
