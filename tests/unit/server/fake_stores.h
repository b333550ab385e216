// Stores in memory for tests of the Raft host. What a "crash" keeps lives in a Backing that outlives the
// stores; faults are switched on there. The switches are read on the storage thread and set while it is idle,
// or are atomic.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "raft/storage.h"

namespace mesh::server {

struct Backing {
  raft::RecoveredLog log;
  std::map<std::pair<raft::TableId, Bytes>, Bytes> rows;  // flushed
  raft::RecoveredTables tables;                           // flushed
  std::atomic<bool> log_full{false};
  std::atomic<bool> tables_full{false};
  std::atomic<bool> log_broken{false};
  std::atomic<bool> log_rotten{false};  // what is read of it
  std::atomic<int> flushes{0};
};

class FakeLog final : public raft::LogStore {
 public:
  explicit FakeLog(Backing& backing) : backing_(backing) {}
  Result<raft::RecoveredLog> open() override { return backing_.log; }
  Result<std::vector<raft::Entry>> read(raft::Index first, raft::Index end, ByteCount) override {
    if (backing_.log_rotten) return error(Code::Corrupt, "the record of entry {} is damaged", first.value());
    std::vector<raft::Entry> out;
    for (const raft::Entry& entry : backing_.log.entries) {
      if (entry.index >= first && entry.index < end) out.push_back(entry);
    }
    if (out.empty()) return error(Code::NotFound, "not there");
    return out;
  }

 protected:
  Status write_durably(const raft::PersistBatch& batch) override {
    if (backing_.log_broken) return error(Code::Io, "the disk is broken");
    if (backing_.log_full) return error(Code::Unavailable, "no space");
    raft::RecoveredLog& log = backing_.log;
    if (batch.hard_state) log.hard_state = *batch.hard_state;
    if (batch.reset) {
      log.base = *batch.reset;
      log.entries.clear();
    }
    if (batch.truncate_from) {
      std::erase_if(log.entries,
                    [&](const raft::Entry& entry) { return entry.index >= *batch.truncate_from; });
    }
    log.entries.insert(log.entries.end(), batch.entries.begin(), batch.entries.end());
    if (batch.compact_through) {
      log.base = *batch.compact_through;
      std::erase_if(log.entries,
                    [&](const raft::Entry& entry) { return entry.index <= log.base.position.index; });
    }
    return {};
  }

 private:
  Backing& backing_;
};

class FakeTables final : public raft::TableStore {
 public:
  using Rows = std::map<std::pair<raft::TableId, Bytes>, Bytes>;

  explicit FakeTables(Backing& backing)
      : backing_(backing), rows_(backing.rows), applied_(backing.tables.applied) {}
  Result<raft::RecoveredTables> open() override { return backing_.tables; }
  Status write(const raft::TableBatch& batch) override {
    if (backing_.tables_full) return error(Code::Unavailable, "no space");
    for (const raft::RowWrite& row : batch.rows) {
      if (row.value) {
        rows_[{row.table, row.key}] = *row.value;
      } else {
        rows_.erase({row.table, row.key});
      }
    }
    applied_ = batch.applied;
    return {};
  }
  Result<raft::Index> flush() override {
    ++backing_.flushes;
    backing_.rows = rows_;
    backing_.tables.applied = applied_;
    return applied_;
  }
  Status for_each(raft::TableId table, UniqueFunction<Status(ByteView, ByteView)> visit) override {
    for (const auto& [place, value] : rows_) {
      if (place.first == table) MESH_TRY_STATUS(visit(place.second, value));
    }
    return {};
  }
  Result<std::unique_ptr<raft::TableSnapshot>> snapshot() override {
    return std::unique_ptr<raft::TableSnapshot>(new Snapshot(rows_, applied_));
  }
  Result<std::unique_ptr<raft::TableReplacement>> replace() override {
    return std::unique_ptr<raft::TableReplacement>(new Replacement(*this));
  }

 private:
  class Snapshot final : public raft::TableSnapshot {
   public:
    Snapshot(Rows rows, raft::Index applied)
        : rows_(std::move(rows)), applied_(applied), at_(rows_.begin()) {}
    raft::Index applied() const override { return applied_; }
    Result<std::vector<raft::Row>> next(ByteCount max_bytes) override {
      std::vector<raft::Row> out;
      for (std::size_t bytes = 0; at_ != rows_.end() && (out.empty() || bytes < max_bytes.value()); ++at_) {
        out.push_back({at_->first.first, at_->first.second, at_->second});
        bytes += at_->second.size();
      }
      return out;
    }

   private:
    Rows rows_;
    raft::Index applied_;
    Rows::const_iterator at_;
  };

  class Replacement final : public raft::TableReplacement {
   public:
    explicit Replacement(FakeTables& owner) : owner_(owner) {}
    Status add(std::vector<raft::Row> rows) override {
      for (raft::Row& row : rows) rows_[{row.table, std::move(row.key)}] = std::move(row.value);
      return {};
    }
    Status commit(const raft::LogBase& base) override {
      owner_.rows_ = owner_.backing_.rows = rows_;
      owner_.applied_ = base.position.index;
      owner_.backing_.tables = {base.position.index, base};
      return {};
    }

   private:
    FakeTables& owner_;
    Rows rows_;
  };

  Backing& backing_;
  Rows rows_;
  raft::Index applied_;
};

}  // namespace mesh::server
