// The state tables in RocksDB: implements raft::TableStore (docs/formats/state-tables.md). RocksDB's headers stay in
// rocks_tables.cc.
//
// Thread: the storage thread (snapshots and replacements, too). RocksDB flushes and compacts on threads of its own.
// Errors of write(), flush() and of a replacement: Unavailable = no space, the same call may be repeated later; any other is
// final: each later call returns that first error. Corrupt (also from reads): a row, block or the meta row failed its
// checksum; the owner fetches the state again (replace() works on such a store as long as nothing final happened).
// errors of open(): Precondition (another cluster's tables), Unsupported (newer format), Conflict (in use by another
// process), Corrupt, Io.
//
// Cost: memory is bounded by memtable_bytes * 3 + kTablesCacheBytes + index blocks; reads are for recovery and
// snapshots, the state machine serves from its own tables.
#pragma once

#include <memory>
#include <string>

#include "base/uuid.h"
#include "raft/storage.h"

namespace mesh::storage {

inline constexpr std::uint64_t kTablesMemtableBytes = 4u << 20;
inline constexpr std::uint64_t kTablesCacheBytes = 8u << 20;
inline constexpr int kTablesOpenFilesMax = 256;

struct RocksTablesOptions {
  std::string folder;  // made if missing; its parent must exist
  Uuid cluster_id;
  std::uint64_t memtable_bytes = kTablesMemtableBytes;  // a background flush starts when so much is unflushed
  bool flush_on_close = true;                           // false in tests: the end then is like a crash
};

class RocksTables final : public raft::TableStore {
 public:
  explicit RocksTables(RocksTablesOptions options);
  ~RocksTables() override;

  Result<raft::RecoveredTables> open() override;
  Status write(const raft::TableBatch& batch) override;
  Result<raft::Index> flush() override;
  Status for_each(raft::TableId table, UniqueFunction<Status(ByteView key, ByteView value)> visit) override;
  Result<std::unique_ptr<raft::TableSnapshot>> snapshot() override;
  Result<std::unique_ptr<raft::TableReplacement>> replace() override;

 private:
  class Database;
  friend class RocksSnapshot;
  friend class RocksReplacement;
  std::unique_ptr<Database> database_;
};

}  // namespace mesh::storage
