// What is not durable yet, and the messages that wait for it. The one place that decides whether a message may leave.
// Pure; one thread.
//
// Changes are recorded in the order in which they happen; take_batch() gives them to the disk as one batch when none
// is outstanding. A message given to hold() leaves when everything recorded before it is durable.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <vector>

#include "raft/message.h"
#include "raft/storage.h"
#include "raft/types.h"

namespace mesh::raft {

class Outbox {
 public:
  // What the disk holds at the start.
  Outbox(HardState hard_state, Index last) : hard_state_(hard_state), durable_(last), written_(last) {}

  void set_hard_state(HardState hard_state) { pending_.hard_state = hard_state; }
  void append(const Entry& entry) { pending_.entries.push_back(entry); }
  void truncate(Index from);
  void reset(LogBase base);
  void compact(LogBase base) { pending_.compact_through = std::move(base); }
  void mark_damage() { pending_.mark_damage = true; }
  void clear_damage() { pending_.clear_damage = true; }

  // The next batch for the disk, if there is something to write and nothing outstanding.
  [[nodiscard]] std::optional<PersistBatch> take_batch();
  // The outstanding batch is durable: returns the messages that waited for it.
  // REQUIRES number is that of the outstanding batch.
  [[nodiscard]] std::vector<Message> persisted(std::uint64_t number);

  // Is the hard state durable, and the log through `index`?
  [[nodiscard]] bool settled(Index index) const {
    return !pending_.hard_state && !(outstanding_ && outstanding_->hard_state) && index <= durable_;
  }
  // Returns the message if nothing is volatile, else keeps it.
  [[nodiscard]] std::optional<Message> hold(Message message);

  // End of the log on disk that is still part of the log.
  [[nodiscard]] Index durable() const { return durable_; }
  [[nodiscard]] const HardState& durable_hard_state() const { return hard_state_; }
  [[nodiscard]] bool damage_cleared() const { return damage_cleared_; }
  [[nodiscard]] bool idle() const { return !outstanding_ && pending_.empty(); }

 private:
  struct Outstanding {
    std::uint64_t number = 0;
    std::optional<HardState> hard_state;
    Index last;  // durable() once it is written; lowered by a truncation meanwhile
    bool clear_damage = false;
  };
  struct Held {
    std::uint64_t number = 0;  // leaves with this batch
    Message message;
  };

  HardState hard_state_;
  Index durable_;
  Index written_;  // end of the log as the disk will have it after the outstanding batch
  std::uint64_t number_ = 0;
  bool damage_cleared_ = false;
  PersistBatch pending_;
  std::optional<Outstanding> outstanding_;
  std::deque<Held> held_;  // by number
};

}  // namespace mesh::raft
