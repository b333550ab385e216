// The receiving side of a snapshot transfer: which chunk is expected, which are stored, when it is whole. Pure.
#pragma once

#include <cstdint>
#include <optional>

#include "raft/message.h"
#include "raft/types.h"

namespace mesh::raft {

class SnapshotReceiver {
 public:
  enum class Verdict : std::uint8_t {
    Store,   // the next chunk, intact: store it
    Stored,  // a repetition of one that is stored: answer Continue again
    Wait,    // being stored, or being installed: the answer follows
    Refuse,  // not the next chunk, or damaged: answer Restart
  };

  // Chunk 0 of another transfer begins anew.
  [[nodiscard]] Verdict receive(ServerId leader, const SnapshotChunk& chunk);
  // The driver stored a chunk. False if that belongs to a transfer given up meanwhile.
  [[nodiscard]] bool written(std::uint64_t id, std::uint64_t sequence);

  // Every chunk is stored.
  [[nodiscard]] bool whole() const { return current_ && current_->complete && current_->stored == current_->expected; }
  [[nodiscard]] bool installing() const { return current_ && current_->installing; }
  // REQUIRES whole(). From now on nothing replaces the transfer until clear().
  void begin_install();
  void clear() { current_.reset(); }

  [[nodiscard]] bool active() const { return current_.has_value(); }
  // REQUIRES active().
  [[nodiscard]] std::uint64_t id() const { return current_->id; }
  [[nodiscard]] ServerId leader() const { return current_->leader; }
  [[nodiscard]] const LogBase& base() const { return current_->base; }

 private:
  struct Incoming {
    std::uint64_t id = 0;
    ServerId leader;
    LogBase base;
    std::uint64_t expected = 0;            // the next sequence
    std::uint64_t checksum = 0;            // of the chunk before it
    std::uint64_t stored = 0;              // how many are stored
    bool complete = false;                 // the last one was received
    bool installing = false;
  };
  std::optional<Incoming> current_;
};

}  // namespace mesh::raft
