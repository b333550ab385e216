// What raft needs from a disk; storage/ implements it, tests/sim runs the same implementations on a simulated one.
//
// Threads: every call blocks and belongs to the storage thread. PersistBatch and Durable are values that travel
// between it and the raft loop. Errors: Code::Unavailable from a write says "no space; nothing was changed; the same
// call may be repeated later". Every other error of a write is final: the store refuses all further writes, and the
// server leaves the group (an fsync that failed once proves nothing when it succeeds later).
//
// To add something durable: a field of PersistBatch, its record in docs/formats/raft-log.md, then storage/.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/function.h"
#include "base/result.h"
#include "base/strong.h"
#include "raft/types.h"

namespace mesh::raft {

// One step of the durable state, written in the order of its members, all of it or (after a crash) a prefix of it.
// The core has at most one batch outstanding: what arrives meanwhile goes into the next, which is the group commit.
struct PersistBatch {
  std::uint64_t number = 0;                // counts the batches of this process from 1
  bool mark_damage = false;                // from now on every open says RecoveredLog::damaged, until clear_damage
  std::optional<HardState> hard_state;
  std::optional<LogBase> reset;            // drop the whole log and begin behind this base (a snapshot was installed)
  std::optional<Index> truncate_from;      // drop this entry and all behind it
  std::vector<Entry> entries;              // contiguous, behind what is left
  std::optional<LogBase> compact_through;  // this becomes the base: entries through it may be given back
  bool clear_damage = false;               // the log is whole again: forget RecoveredLog::damaged

  [[nodiscard]] bool empty() const {
    return !hard_state && !reset && !truncate_from && entries.empty() && !compact_through && !mark_damage &&
           !clear_damage;
  }
};

// Proof that a batch is on disk. Only LogStore::write makes one, so nothing that depends on a batch can be released
// by a driver that did not write it. Move-only; consumed by the event Persisted.
class Durable {
 public:
  Durable(Durable&& other) noexcept : number_(std::exchange(other.number_, 0)) {}
  Durable& operator=(Durable&& other) noexcept {
    number_ = std::exchange(other.number_, 0);
    return *this;
  }
  Durable(const Durable&) = delete;
  Durable& operator=(const Durable&) = delete;
  ~Durable() = default;

  // The batch that is durable, and with it all before it. 0: moved from.
  [[nodiscard]] std::uint64_t number() const { return number_; }

 private:
  friend class LogStore;
  explicit Durable(std::uint64_t number) : number_(number) {}
  std::uint64_t number_;
};

struct RecoveredLog {
  HardState hard_state;
  LogBase base;
  std::vector<Entry> entries;  // contiguous from base.position.index + 1, all of the log that can be trusted
  // Entries behind the last of `entries` may have been acknowledged and are lost (damage before the tail, or this mark
  // left by an earlier open and not yet cleared). The server does not vote until a leader has repaired it.
  bool damaged = false;
};

class LogStore {
 public:
  LogStore() = default;
  LogStore(const LogStore&) = delete;
  LogStore& operator=(const LogStore&) = delete;
  virtual ~LogStore() = default;

  // Once, before all else. A torn tail (incomplete last write) is cut; damage before it is cut, too, and marked
  // durably. An empty store gives default values.
  [[nodiscard]] virtual Result<RecoveredLog> open() = 0;

  // Returns when the batch is durable (one fdatasync). REQUIRES batches in the order of their numbers.
  [[nodiscard]] Result<Durable> write(const PersistBatch& batch) {
    MESH_TRY_STATUS(write_durably(batch));
    return Durable(batch.number);
  }

  // Entries [first, end) as far as they fit in max_bytes (entry_bytes each), at least one. Code::NotFound if `first`
  // was compacted away; Code::Corrupt if the stored bytes fail their checksum. REQUIRES first < end.
  [[nodiscard]] virtual Result<std::vector<Entry>> read(Index first, Index end, ByteCount max_bytes) = 0;

  // What it takes on the disk, for people.
  [[nodiscard]] virtual std::uint64_t disk_bytes() const { return 0; }

 protected:
  [[nodiscard]] virtual Status write_durably(const PersistBatch& batch) = 0;
};

// The first batch of a new cluster: the given servers are its first voters. Written once, by bootstrap alone, to an
// empty LogStore. REQUIRES at least one voter.
[[nodiscard]] PersistBatch bootstrap_batch(Configuration configuration);

// --- tables: the state machine's rows ---

using TableId = std::uint32_t;

struct Row {
  TableId table = 0;
  Bytes key;
  Bytes value;
  friend bool operator==(const Row&, const Row&) = default;
};

struct RowWrite {
  TableId table = 0;
  Bytes key;
  std::optional<Bytes> value;  // none: erase
  friend bool operator==(const RowWrite&, const RowWrite&) = default;
};

// The rows that the entries through `applied` changed since the batch before. One atomic write.
struct TableBatch {
  Index applied;
  std::vector<RowWrite> rows;
};

struct RecoveredTables {
  Index applied;                    // 0: empty
  std::optional<LogBase> snapshot;  // the last snapshot that replaced the tables, if any
};

// A consistent view of all tables at one applied index, unmoved by later writes.
class TableSnapshot {
 public:
  virtual ~TableSnapshot() = default;
  [[nodiscard]] virtual Index applied() const = 0;
  // The next rows in (table, key) order, about max_bytes of keys and values, at least one row; empty: the end.
  [[nodiscard]] virtual Result<std::vector<Row>> next(ByteCount max_bytes) = 0;
};

// Rows of a snapshot under way, kept apart from the tables. Destroying it without commit() drops them.
class TableReplacement {
 public:
  virtual ~TableReplacement() = default;
  [[nodiscard]] virtual Status add(std::vector<Row> rows) = 0;
  // Replaces all tables and RecoveredTables by the rows given and `base`, durably and at once: a crash leaves either
  // the old or the new state. Once, last.
  [[nodiscard]] virtual Status commit(const LogBase& base) = 0;
};

class TableStore {
 public:
  TableStore() = default;
  TableStore(const TableStore&) = delete;
  TableStore& operator=(const TableStore&) = delete;
  virtual ~TableStore() = default;

  [[nodiscard]] virtual Result<RecoveredTables> open() = 0;
  // Atomic, ordered, not durable before flush(). REQUIRES batch.applied greater than that of the batch before.
  [[nodiscard]] virtual Status write(const TableBatch& batch) = 0;
  // Makes everything written durable; returns the applied index that a restart is now sure to find.
  [[nodiscard]] virtual Result<Index> flush() = 0;
  // Every row of a table in key order. `visit` ends the walk early by returning an error, which is passed on.
  [[nodiscard]] virtual Status for_each(TableId table, UniqueFunction<Status(ByteView key, ByteView value)> visit) = 0;
  // May outlive later writes, not the store.
  [[nodiscard]] virtual Result<std::unique_ptr<TableSnapshot>> snapshot() = 0;
  [[nodiscard]] virtual Result<std::unique_ptr<TableReplacement>> replace() = 0;
};

// Everything that a server finds when it starts; the core is made from it.
struct RecoveredState {
  RecoveredLog log;
  RecoveredTables tables;
};

}  // namespace mesh::raft
