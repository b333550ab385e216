#include "storage/rocks_tables.h"

#include <rocksdb/cache.h>
#include <rocksdb/convenience.h>
#include <rocksdb/db.h>
#include <rocksdb/env.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/options.h>
#include <rocksdb/table.h>
#include <rocksdb/write_batch.h>

#include <algorithm>
#include <cstdarg>
#include <cstdio>
#include <filesystem>

#include "base/file.h"
#include "base/log.h"
#include "storage/table_format.h"

namespace mesh::storage {
namespace {

rocksdb::Slice slice(ByteView bytes) { return {bytes.data(), bytes.size()}; }
ByteView view(const rocksdb::Slice& bytes) { return {bytes.data(), bytes.size()}; }

Error to_error(const rocksdb::Status& status) {
  Code code = Code::Io;
  if (status.IsCorruption() || status.IsPathNotFound()) code = Code::Corrupt;
  if (status.IsNoSpace()) code = Code::Unavailable;
  std::string text = status.ToString();
  std::replace(text.begin(), text.end(), '\n', ' ');
  return error(code, "RocksDB: {}", text);
}

Status to_status(const rocksdb::Status& status) {
  if (status.ok()) return {};
  return to_error(status);
}

rocksdb::WriteOptions without_wal() {
  rocksdb::WriteOptions options;
  options.disableWAL = true;
  return options;
}

// RocksDB's messages go to our log, not to its file LOG: once a line of that file found no space, the next one ends the
// process by an assertion (WritableFileWriter in RocksDB 7.8 as Debian builds it).
class RocksLog final : public rocksdb::Logger {
 public:
  RocksLog() : Logger(rocksdb::WARN_LEVEL) {}
  using Logger::Logv;
  void Logv(const char* format, va_list arguments) override {
    char line[512];
    std::vsnprintf(line, sizeof line, format, arguments);
    std::string_view text(line);
    while (text.ends_with('\n')) text.remove_suffix(1);
    LOG_WARN("RocksDB", {"says", text});
  }
};

rocksdb::Options database_options(const RocksTablesOptions& ours) {
  rocksdb::BlockBasedTableOptions table;
  table.block_cache = rocksdb::NewLRUCache(kTablesCacheBytes);
  table.cache_index_and_filter_blocks = true;
  table.format_version = 5;
  rocksdb::Options options;
  options.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  options.create_if_missing = true;
  options.write_buffer_size = ours.memtable_bytes;
  options.max_write_buffer_number = 3;
  options.max_open_files = kTablesOpenFilesMax;
  options.max_background_jobs = 2;
  options.compression = rocksdb::kLZ4Compression;
  options.info_log = std::make_shared<RocksLog>();
  options.stats_dump_period_sec = 0;
  options.stats_persist_period_sec = 0;
  options.skip_stats_update_on_db_open = true;
  options.avoid_flush_during_shutdown = !ours.flush_on_close;
  return options;
}

}  // namespace

// What RocksTables, its snapshots and its replacements share.
class RocksTables::Database {
 public:
  explicit Database(RocksTablesOptions options) : options_(std::move(options)) {}

  Result<raft::RecoveredTables> open();
  Status write(const raft::TableBatch& batch);
  Result<raft::Index> flush();
  Status for_each(raft::TableId table, UniqueFunction<Status(ByteView, ByteView)>& visit);

  // Steps of a replacement.
  Result<std::uint32_t> begin_replacement();
  Status add(std::uint32_t generation, const std::vector<raft::Row>& rows);
  Status commit(std::uint32_t generation, const raft::LogBase& base);
  void abandon(std::uint32_t generation);

  [[nodiscard]] const TablesMeta& meta() const { return meta_; }
  [[nodiscard]] rocksdb::DB& rocks() { return *rocks_; }
  [[nodiscard]] std::unique_ptr<rocksdb::Iterator> iterate(const rocksdb::Snapshot* snapshot, const rocksdb::Slice* end);
  void check_open() const { CHECK(rocks_ != nullptr, "tables used before open()"); }
  [[nodiscard]] const Status& failure() const { return failure_; }

 private:
  Status open_rocks();
  [[nodiscard]] Status check_current() const;
  Result<bool> load_meta();
  Status drop_other_generations();
  Status drop_generations(std::uint32_t first, std::uint32_t end);
  Status apply(rocksdb::WriteBatch& batch);
  Status flush_rocks();
  Status keep(Status status);

  const RocksTablesOptions options_;
  std::unique_ptr<rocksdb::DB> rocks_;
  TablesMeta meta_;
  raft::Index flushed_;
  Status failure_;
};

// Remembers the first final error.
Status RocksTables::Database::keep(Status status) {
  if (!status && status.error().code != Code::Unavailable && failure_.ok()) failure_ = status;
  return status;
}

Result<raft::RecoveredTables> RocksTables::Database::open() {
  CHECK(rocks_ == nullptr, "opened twice");
  MESH_TRY_STATUS(open_rocks());
  MESH_TRY(found, load_meta());
  if (!found) meta_.cluster_id = options_.cluster_id;
  if (meta_.cluster_id != options_.cluster_id)
    return error(Code::Precondition,
                 "they belong to cluster {}, but this server was started for cluster {}: use another data directory",
                 meta_.cluster_id.to_string(), options_.cluster_id.to_string());
  MESH_TRY_STATUS(drop_other_generations());
  flushed_ = meta_.about.applied;
  return meta_.about;
}

Status RocksTables::Database::open_rocks() {
  MESH_TRY_STATUS(make_dirs(options_.folder));  // RocksDB makes it too, but warns of its absence first
  MESH_TRY_STATUS(check_current());
  rocksdb::DB* opened = nullptr;
  const rocksdb::Status status = rocksdb::DB::Open(database_options(options_), options_.folder, &opened);
  if (status.ok()) {
    rocks_.reset(opened);
    return {};
  }
  if (status.IsIOError() && status.ToString().find("lock") != std::string::npos)
    return error(Code::Conflict, "in use by another process: {}", status.ToString());
  return to_error(status).context("in {}", options_.folder);
}

// RocksDB takes a folder without CURRENT for a new database, and removes the files of the old one. A MANIFEST alone is that
// of a first start that was cut off: nothing is durable before the first table file.
Status RocksTables::Database::check_current() const {
  std::error_code cause;
  bool current = false, old = false;
  for (const auto& entry : std::filesystem::directory_iterator(options_.folder, cause)) {
    const std::string name = entry.path().filename();
    current = current || name == "CURRENT";
    old = old || name.ends_with(".sst");
  }
  if (cause) return io_error(fmt::format("while reading {}", options_.folder), cause.value());
  if (current || !old) return {};
  return error(Code::Corrupt, "{} holds tables, but no file CURRENT that names them", options_.folder);
}

// False: new tables.
Result<bool> RocksTables::Database::load_meta() {
  std::string stored;
  const rocksdb::Status status = rocks_->Get({}, slice(meta_key()), &stored);
  if (status.ok()) {
    MESH_TRY(meta, decode_meta(stored));
    meta_ = std::move(meta);
    return true;
  }
  if (!status.IsNotFound()) return to_error(status);
  // Rows of a first snapshot that was not completed may be there; rows in force may not.
  const auto it = iterate(nullptr, nullptr);
  it->Seek(slice(generation_start(kFirstGeneration)));
  MESH_TRY_STATUS(to_status(it->status()));
  const auto key = it->Valid() ? decode_row_key(view(it->key())) : std::nullopt;
  if (key && key->generation == kFirstGeneration) return error(Code::Corrupt, "rows without a meta row");
  return false;
}

std::unique_ptr<rocksdb::Iterator> RocksTables::Database::iterate(const rocksdb::Snapshot* snapshot,
                                                                  const rocksdb::Slice* end) {
  rocksdb::ReadOptions options;
  options.snapshot = snapshot;
  options.iterate_upper_bound = end;
  options.verify_checksums = true;
  options.fill_cache = false;
  return std::unique_ptr<rocksdb::Iterator>(rocks_->NewIterator(options));
}

// What an interrupted replacement left.
Status RocksTables::Database::drop_other_generations() {
  MESH_TRY_STATUS(drop_generations(kFirstGeneration, meta_.generation));
  return drop_generations(meta_.generation + 1, UINT32_MAX);
}

Status RocksTables::Database::drop_generations(std::uint32_t first, std::uint32_t end) {
  if (first >= end) return {};
  const Bytes start_key = generation_start(first), end_key = generation_start(end);
  const rocksdb::Slice end_slice = slice(end_key);
  const auto it = iterate(nullptr, &end_slice);
  it->Seek(slice(start_key));
  MESH_TRY_STATUS(to_status(it->status()));
  if (!it->Valid()) return {};
  rocksdb::WriteBatch batch;
  batch.DeleteRange(slice(start_key), end_slice);
  return apply(batch);
}

Status RocksTables::Database::apply(rocksdb::WriteBatch& batch) {
  if (!failure_.ok()) return failure_;
  return keep(to_status(rocks_->Write(without_wal(), &batch)));
}

Status RocksTables::Database::write(const raft::TableBatch& batch) {
  CHECK(batch.applied > meta_.about.applied, "applied {} after {}", batch.applied.value(), meta_.about.applied.value());
  rocksdb::WriteBatch out;
  for (const raft::RowWrite& row : batch.rows) {
    const Bytes key = row_key(meta_.generation, row.table, row.key);
    if (row.value)
      out.Put(slice(key), slice(encode_row_value(row.table, row.key, *row.value)));
    else
      out.Delete(slice(key));
  }
  TablesMeta next = meta_;
  next.about.applied = batch.applied;
  out.Put(slice(meta_key()), slice(encode_meta(next)));
  MESH_TRY_STATUS(apply(out));
  meta_ = std::move(next);
  return {};
}

Status RocksTables::Database::flush_rocks() {
  if (!failure_.ok()) return failure_;
  rocksdb::Status status = rocks_->Flush(rocksdb::FlushOptions());
  // A flush that found no space stops RocksDB until it is told that there may be some again.
  if (status.IsNoSpace() && rocks_->Resume().ok()) status = rocks_->Flush(rocksdb::FlushOptions());
  return keep(to_status(status));
}

Result<raft::Index> RocksTables::Database::flush() {
  if (flushed_ == meta_.about.applied && failure_.ok()) return flushed_;
  MESH_TRY_STATUS(flush_rocks());
  flushed_ = meta_.about.applied;
  return flushed_;
}

Status RocksTables::Database::for_each(raft::TableId table, UniqueFunction<Status(ByteView, ByteView)>& visit) {
  if (!failure_.ok()) return failure_;
  const Bytes start = table_start(meta_.generation, table);
  const Bytes end = table == UINT32_MAX ? generation_start(meta_.generation + 1) : table_start(meta_.generation, table + 1);
  const rocksdb::Slice end_slice = slice(end);
  const auto it = iterate(nullptr, &end_slice);
  for (it->Seek(slice(start)); it->Valid(); it->Next()) {
    const auto key = decode_row_key(view(it->key()));
    CHECK(key.has_value(), "key shorter than its bounds");
    MESH_TRY(value, decode_row_value(table, key->key, view(it->value())));
    MESH_TRY_STATUS(visit(key->key, value));
  }
  return to_status(it->status());
}

Result<std::uint32_t> RocksTables::Database::begin_replacement() {
  const std::uint32_t generation = meta_.generation + 1;
  MESH_TRY_STATUS(drop_generations(generation, UINT32_MAX));
  return generation;
}

Status RocksTables::Database::add(std::uint32_t generation, const std::vector<raft::Row>& rows) {
  rocksdb::WriteBatch batch;
  for (const raft::Row& row : rows)
    batch.Put(slice(row_key(generation, row.table, row.key)), slice(encode_row_value(row.table, row.key, row.value)));
  return apply(batch);
}

Status RocksTables::Database::commit(std::uint32_t generation, const raft::LogBase& base) {
  CHECK(generation == meta_.generation + 1, "two replacements at once");
  MESH_TRY_STATUS(flush_rocks());
  TablesMeta next = meta_;
  next.generation = generation;
  next.about = {base.position.index, base};
  const Bytes old_start = generation_start(meta_.generation), old_end = generation_start(generation);
  rocksdb::WriteBatch batch;
  batch.DeleteRange(slice(old_start), slice(old_end));
  batch.Put(slice(meta_key()), slice(encode_meta(next)));
  MESH_TRY_STATUS(apply(batch));
  meta_ = std::move(next);
  MESH_TRY_STATUS(flush_rocks());
  flushed_ = meta_.about.applied;
  // Gives the space back at once; what older snapshots still read is pinned by their iterators.
  const rocksdb::Slice from = slice(old_start), to = slice(old_end);
  return to_status(rocksdb::DeleteFilesInRange(rocks_.get(), rocks_->DefaultColumnFamily(), &from, &to, false));
}

// Best effort: what stays is dropped by the next replacement or the next open().
void RocksTables::Database::abandon(std::uint32_t generation) {
  if (failure_.ok()) static_cast<void>(drop_generations(generation, generation + 1));
}

class RocksSnapshot final : public raft::TableSnapshot {
 public:
  explicit RocksSnapshot(RocksTables::Database& database)
      : database_(database),
        applied_(database.meta().about.applied),
        end_(generation_start(database.meta().generation + 1)),
        end_slice_(slice(end_)),
        snapshot_(database.rocks().GetSnapshot()),
        it_(database.iterate(snapshot_, &end_slice_)) {
    it_->Seek(slice(generation_start(database.meta().generation)));
  }
  RocksSnapshot(const RocksSnapshot&) = delete;
  RocksSnapshot& operator=(const RocksSnapshot&) = delete;
  ~RocksSnapshot() override {
    it_.reset();
    database_.rocks().ReleaseSnapshot(snapshot_);
  }

  raft::Index applied() const override { return applied_; }

  Result<std::vector<raft::Row>> next(ByteCount max_bytes) override {
    std::vector<raft::Row> rows;
    for (std::uint64_t bytes = 0; it_->Valid(); it_->Next()) {
      const auto key = decode_row_key(view(it_->key()));
      CHECK(key.has_value(), "key shorter than its bounds");
      MESH_TRY(value, decode_row_value(key->table, key->key, view(it_->value())));
      bytes += key->key.size() + value.size();
      if (bytes > max_bytes.value() && !rows.empty()) break;
      rows.push_back({key->table, Bytes(key->key), Bytes(value)});
    }
    MESH_TRY_STATUS(to_status(it_->status()));
    return rows;
  }

 private:
  RocksTables::Database& database_;
  const raft::Index applied_;
  const Bytes end_;
  const rocksdb::Slice end_slice_;
  const rocksdb::Snapshot* const snapshot_;
  std::unique_ptr<rocksdb::Iterator> it_;
};

class RocksReplacement final : public raft::TableReplacement {
 public:
  RocksReplacement(RocksTables::Database& database, std::uint32_t generation)
      : database_(database), generation_(generation) {}
  RocksReplacement(const RocksReplacement&) = delete;
  RocksReplacement& operator=(const RocksReplacement&) = delete;
  ~RocksReplacement() override {
    if (database_.meta().generation < generation_) database_.abandon(generation_);
  }

  Status add(std::vector<raft::Row> rows) override {
    CHECK(!committed_, "rows after the commit");
    return database_.add(generation_, rows);
  }
  Status commit(const raft::LogBase& base) override {
    CHECK(!committed_, "committed twice");
    committed_ = true;
    return database_.commit(generation_, base);
  }

 private:
  RocksTables::Database& database_;
  const std::uint32_t generation_;
  bool committed_ = false;
};

RocksTables::RocksTables(RocksTablesOptions options) : database_(std::make_unique<Database>(std::move(options))) {}
RocksTables::~RocksTables() = default;

Result<raft::RecoveredTables> RocksTables::open() { return database_->open().context("state tables"); }

Status RocksTables::write(const raft::TableBatch& batch) {
  database_->check_open();
  return database_->write(batch).context("state tables");
}

Result<raft::Index> RocksTables::flush() {
  database_->check_open();
  return database_->flush().context("state tables");
}

Status RocksTables::for_each(raft::TableId table, UniqueFunction<Status(ByteView key, ByteView value)> visit) {
  database_->check_open();
  return database_->for_each(table, visit);
}

Result<std::unique_ptr<raft::TableSnapshot>> RocksTables::snapshot() {
  database_->check_open();
  if (!database_->failure().ok()) return database_->failure().error();
  return std::unique_ptr<raft::TableSnapshot>(std::make_unique<RocksSnapshot>(*database_));
}

Result<std::unique_ptr<raft::TableReplacement>> RocksTables::replace() {
  database_->check_open();
  MESH_TRY(generation, database_->begin_replacement());
  return std::unique_ptr<raft::TableReplacement>(std::make_unique<RocksReplacement>(*database_, generation));
}

}  // namespace mesh::storage
