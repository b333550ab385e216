#include "tests/sim/sim_tables.h"

#include "base/bytes.h"
#include "base/check.h"
#include "base/mutant.h"

namespace mesh::sim {
namespace {

void change(TablePlatter::Rows& rows, const raft::RowWrite& write) {
  if (write.value) {
    rows[{write.table, write.key}] = *write.value;
  } else {
    rows.erase({write.table, write.key});
  }
}

class SimSnapshot final : public raft::TableSnapshot {
 public:
  SimSnapshot(std::shared_ptr<const TablePlatter::Rows> rows, raft::Index applied)
      : rows_(std::move(rows)), applied_(applied), next_(rows_->begin()) {}

  [[nodiscard]] raft::Index applied() const override { return applied_; }
  [[nodiscard]] Result<std::vector<raft::Row>> next(ByteCount max_bytes) override {
    std::vector<raft::Row> out;
    for (std::uint64_t bytes = 0; next_ != rows_->end() && (out.empty() || bytes < max_bytes.value()); ++next_) {
      out.push_back({next_->first.first, next_->first.second, next_->second});
      bytes += out.back().key.size() + out.back().value.size();
    }
    return out;
  }

 private:
  std::shared_ptr<const TablePlatter::Rows> rows_;
  raft::Index applied_;
  TablePlatter::Rows::const_iterator next_;
};

}  // namespace

class SimReplacement final : public raft::TableReplacement {
 public:
  explicit SimReplacement(TablePlatter& platter) : platter_(platter) {}

  [[nodiscard]] Status add(std::vector<raft::Row> rows) override {
    for (raft::Row& row : rows) rows_[{row.table, std::move(row.key)}] = std::move(row.value);
    return {};
  }
  [[nodiscard]] Status commit(const raft::LogBase& base) override {
    platter_.unflushed_.clear();
    platter_.durable_.rows = std::make_shared<TablePlatter::Rows>(std::move(rows_));
    platter_.durable_.about = {base.position.index, base};
    return {};
  }

 private:
  TablePlatter& platter_;
  TablePlatter::Rows rows_;
};

void TablePlatter::flush_oldest() {
  // Copied only while a snapshot still looks at the old rows.
  auto rows = durable_.rows.use_count() == 1 ? std::const_pointer_cast<Rows>(durable_.rows)
                                             : std::make_shared<Rows>(*durable_.rows);
  for (const raft::RowWrite& write : unflushed_.front().rows) change(*rows, write);
  durable_.rows = std::move(rows);
  durable_.about.applied = unflushed_.front().applied;
  unflushed_.pop_front();
}

void TablePlatter::crash(bool power_lost) {
  const std::uint64_t kept = power_lost ? rng_.below(unflushed_.size() + 1) : unflushed_.size();
  for (std::uint64_t i = 0; i < kept; ++i) flush_oldest();
  unflushed_.clear();
}

Result<raft::RecoveredTables> SimTables::open() { return platter_.durable_.about; }

raft::Index SimTables::applied() const {
  return platter_.unflushed_.empty() ? platter_.durable_.about.applied : platter_.unflushed_.back().applied;
}

Status SimTables::write(const raft::TableBatch& batch) {
  CHECK(batch.applied > applied(), "tables go back from {} to {}", applied().value(), batch.applied.value());
  platter_.unflushed_.push_back(batch);
  return {};
}

Result<raft::Index> SimTables::flush() {
  if (MESH_MUTANT(FlushReportedNotDone)) return applied();
  while (!platter_.unflushed_.empty()) platter_.flush_oldest();
  return platter_.durable_.about.applied;
}

std::shared_ptr<const TablePlatter::Rows> SimTables::all_rows() const {
  if (platter_.unflushed_.empty()) return platter_.durable_.rows;
  auto rows = std::make_shared<TablePlatter::Rows>(*platter_.durable_.rows);
  for (const raft::TableBatch& batch : platter_.unflushed_) {
    for (const raft::RowWrite& write : batch.rows) change(*rows, write);
  }
  return rows;
}

Status SimTables::for_each(raft::TableId table, UniqueFunction<Status(ByteView, ByteView)> visit) {
  const auto rows = all_rows();
  for (auto row = rows->lower_bound({table, {}}); row != rows->end() && row->first.first == table; ++row) {
    MESH_TRY_STATUS(visit(row->first.second, row->second));
  }
  return {};
}

Result<std::unique_ptr<raft::TableSnapshot>> SimTables::snapshot() {
  return std::unique_ptr<raft::TableSnapshot>(std::make_unique<SimSnapshot>(all_rows(), applied()));
}

Result<std::unique_ptr<raft::TableReplacement>> SimTables::replace() {
  return std::unique_ptr<raft::TableReplacement>(std::make_unique<SimReplacement>(platter_));
}

Bytes encode_rows(const std::vector<raft::Row>& rows) {
  Bytes out;
  for (const raft::Row& row : rows) {
    append_be32(out, row.table);
    append_be32(out, static_cast<std::uint32_t>(row.key.size()));
    append_be32(out, static_cast<std::uint32_t>(row.value.size()));
    out += row.key;
    out += row.value;
  }
  return out;
}

Result<std::vector<raft::Row>> decode_rows(ByteView bytes) {
  std::vector<raft::Row> out;
  while (!bytes.empty()) {
    if (bytes.size() < 12) return error(Code::Corrupt, "row header of {} bytes", bytes.size());
    const std::uint64_t key_bytes = read_be32(bytes.substr(4));
    const std::uint64_t value_bytes = read_be32(bytes.substr(8));
    if (key_bytes + value_bytes > bytes.size() - 12) return error(Code::Corrupt, "row longer than its chunk");
    out.push_back({read_be32(bytes), Bytes(bytes.substr(12, key_bytes)), Bytes(bytes.substr(12 + key_bytes, value_bytes))});
    bytes.remove_prefix(12 + key_bytes + value_bytes);
  }
  return out;
}

}  // namespace mesh::sim
