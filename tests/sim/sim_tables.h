// The in-memory twin of the RocksDB tables behind the same interface: a crash loses what was not flushed, always whole
// batches from the end, as many as the generator says (RocksDB may have flushed some by itself). One thread.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "base/rng.h"
#include "raft/storage.h"

namespace mesh::sim {

// What lies on the platter, and outlives the process: owned by the host, shared with the store of the process.
class TablePlatter {
 public:
  using Key = std::pair<raft::TableId, Bytes>;
  using Rows = std::map<Key, Bytes>;

  explicit TablePlatter(Rng rng) : rng_(rng) {}
  void crash(bool power_lost);  // of the process; without loss of power the unflushed batches are kept

 private:
  friend class SimTables;
  friend class SimReplacement;
  struct State {
    std::shared_ptr<const Rows> rows = std::make_shared<Rows>();
    raft::RecoveredTables about;
  };
  void flush_oldest();

  Rng rng_;
  State durable_;
  std::deque<raft::TableBatch> unflushed_;
};

class SimTables final : public raft::TableStore {
 public:
  explicit SimTables(TablePlatter& platter) : platter_(platter) {}

  [[nodiscard]] Result<raft::RecoveredTables> open() override;
  [[nodiscard]] Status write(const raft::TableBatch& batch) override;
  [[nodiscard]] Result<raft::Index> flush() override;
  [[nodiscard]] Status for_each(raft::TableId table, UniqueFunction<Status(ByteView, ByteView)> visit) override;
  [[nodiscard]] Result<std::unique_ptr<raft::TableSnapshot>> snapshot() override;
  [[nodiscard]] Result<std::unique_ptr<raft::TableReplacement>> replace() override;

  [[nodiscard]] raft::Index applied() const;

 private:
  [[nodiscard]] std::shared_ptr<const TablePlatter::Rows> all_rows() const;

  TablePlatter& platter_;
};

// Rows as bytes for snapshot chunks, and back (Corrupt: not such bytes).
[[nodiscard]] Bytes encode_rows(const std::vector<raft::Row>& rows);
[[nodiscard]] Result<std::vector<raft::Row>> decode_rows(ByteView bytes);

}  // namespace mesh::sim
