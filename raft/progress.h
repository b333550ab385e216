// What a leader knows of one other server, and how much it may send to it. Pure; one thread.
//
//   Probe      the end of the common log is being looked for: one message at a time
//   Replicate  entries are sent ahead of their answers, within a window of messages and bytes
//   Sending    the log no longer reaches back to what the follower needs: a snapshot is on its way
//
// INVARIANT: match < next; in Replicate everything in (match, next) was sent.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <variant>
#include <vector>

#include "base/time.h"
#include "raft/event.h"
#include "raft/message.h"
#include "raft/options.h"
#include "raft/types.h"

namespace mesh::raft {

struct Probe {
  bool waiting = false;  // one message is out
  MonoTime sent_at{};
};

struct Replicate {
  struct Sent {
    Index last;
    std::uint64_t bytes = 0;
  };
  std::deque<Sent> window;  // without an answer, by index
  std::uint64_t window_bytes = 0;
};

struct Sending {
  enum class Phase : std::uint8_t {
    Pausing,  // the last attempt failed: begin again at retry_at
    Opening,  // the driver opens a snapshot
    Reading,  // the driver reads the next chunk
    Waiting,  // `chunk` is out; sent again at retry_at
  };
  Phase phase = Phase::Opening;
  SnapshotId id;
  LogBase base;  // from Reading on
  std::uint64_t sequence = 0;
  std::uint64_t checksum = 0;
  SnapshotChunk chunk;  // Waiting
  MonoTime retry_at = kNever;
};

class Progress {
 public:
  Progress(Index next, MonoTime now) : next_(next), heard_(now) {}

  [[nodiscard]] Index match() const { return match_; }
  [[nodiscard]] Index next() const { return next_; }
  // match as far as it may count for a commit: nothing while the follower's log is being repaired.
  [[nodiscard]] Index counted_match() const { return match_ < repair_.through ? Index{} : match_; }

  [[nodiscard]] bool probing() const { return std::holds_alternative<Probe>(state_); }
  [[nodiscard]] bool replicating() const { return std::holds_alternative<Replicate>(state_); }
  [[nodiscard]] const Sending* sending() const { return std::get_if<Sending>(&state_); }
  [[nodiscard]] Sending* sending() { return std::get_if<Sending>(&state_); }

  // May an append leave now?
  [[nodiscard]] bool has_room(const CoreOptions& options) const;
  // An append with entries through `last` (next - 1: none) left.
  void sent(Index last, std::uint64_t bytes, MonoTime now);

  // The follower holds everything through `index`. True if that is news.
  bool accepted(Index index);
  // The follower does not hold `refused`; the common log ends at `retry_after` at most. False if the answer is stale.
  bool rejected(Index refused, Index retry_after);
  // An answer to a heartbeat: a probe without an answer for `patience` may be sent again. True if answers to entries
  // may have been lost, so that the end of the log should be asked for; at most once in `patience`.
  [[nodiscard]] bool answered_heartbeat(MonoTime now, Duration patience);

  void begin_sending(SnapshotId id) {
    state_ = Sending{};
    sending()->id = id;
  }
  // The snapshot is given up; the next attempt begins at `retry_at`.
  void pause_sending(MonoTime retry_at);
  // Back to looking for the end of the common log, which is `match` at least.
  void begin_probe(Index next);

  // Time, reads and lease.
  [[nodiscard]] MonoTime heard() const { return heard_; }
  void hear(MonoTime now) { heard_ = now; }
  [[nodiscard]] std::uint64_t round() const { return round_; }
  [[nodiscard]] MonoTime lease_from() const { return lease_from_; }  // when the round answered last was sent
  void answer_round(std::uint64_t round, MonoTime sent_at);

  // Repair of a damaged log. Decides whether an answer that carries `nonce` (0: undamaged) may be used, and notes a
  // nonce not seen before: then everything known of the follower is forgotten; `last` is the leader's last index.
  [[nodiscard]] bool admit(std::uint64_t nonce, Index last);
  [[nodiscard]] const Repair& repair() const { return repair_; }
  // An answer to heartbeat `round` says "not damaged". If the round was sent after the damage was noted, the follower
  // has ended the repair: it holds everything through `through`, though its acknowledgement of that may be lost.
  void note_whole(std::uint64_t round);
  std::uint64_t repair_round = 0;  // the last round sent when the damage was noted

  // Loading of entries that are only on disk.
  bool loading = false;
  MonoTime load_retry_at{};
  Index commit_sent;  // the highest commit index sent to it

  void check_invariants() const;

 private:
  Index match_;
  Index next_;
  std::variant<Probe, Replicate, Sending> state_;
  MonoTime heard_;
  MonoTime end_asked_at_{};  // when the end of its log was asked for, or the window began to fill
  std::uint64_t round_ = 0;
  MonoTime lease_from_ = MonoTime::min();
  Repair repair_;
  std::vector<std::uint64_t> retired_nonces_;
};

}  // namespace mesh::raft
