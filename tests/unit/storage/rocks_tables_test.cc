#include "storage/rocks_tables.h"

#include <filesystem>
#include <fstream>
#include <map>

#include "base/file.h"
#include "tests/sim/sim_tables.h"
#include "tests/test.h"

namespace mesh::storage {
namespace {

using Rows = std::map<std::pair<raft::TableId, Bytes>, Bytes>;

constexpr raft::TableId kTables = 4;

Uuid cluster(std::uint8_t first_byte) {
  Uuid::Raw raw{};
  raw[0] = first_byte;
  return Uuid(raw);
}

struct State {
  raft::RecoveredTables about;
  Rows rows;
};

Rows rows_of(raft::TableStore& store) {
  Rows out;
  for (raft::TableId table = 0; table < kTables; ++table) {
    std::optional<Bytes> previous;
    auto status = store.for_each(table, [&](ByteView key, ByteView value) -> Status {
      EXPECT((!previous || *previous < key));
      previous = Bytes(key);
      out[{table, Bytes(key)}] = Bytes(value);
      return {};
    });
    REQUIRE(status.ok());
  }
  return out;
}

Rows rest_of(raft::TableSnapshot& snapshot, ByteCount step) {
  Rows out;
  for (;;) {
    auto rows = snapshot.next(step);
    REQUIRE(rows.ok());
    if (rows->empty()) return out;
    for (raft::Row& row : *rows) out[{row.table, row.key}] = row.value;
  }
}

raft::LogBase base_at(std::uint64_t index) {
  raft::LogBase base;
  base.position = {raft::Index(index), raft::Term(index / 10 + 1)};
  base.configuration.voters = {raft::ServerId(1), raft::ServerId(index + 2)};
  base.configuration_index = raft::Index(index / 2);
  return base;
}

// Runs the same operations on RocksDB, the twin and a plain map, with crashes.
class Differential {
 public:
  explicit Differential(std::uint64_t seed) : rng_(seed), platter_(rng_.fork()), dir_(TempDir::make().value()) {
    history_[0] = {};
    open();
  }

  void step() {
    const std::uint64_t draw = rng_.below(100);
    if (draw < 70) return write();
    if (draw < 80) return flush();
    if (draw < 88) return replace();
    if (draw < 94) return crash();
    look_at_snapshot();
  }

  void finish() { compare_all(); }

 private:
  State& now() { return history_.rbegin()->second; }

  void open() {
    rocks_ = std::make_unique<RocksTables>(RocksTablesOptions{dir_.file("tables"), cluster(1), 64u << 10, false});
    twin_ = std::make_unique<sim::SimTables>(platter_);
    check_recovered(*rocks_, rocks_->open());
    check_recovered(*twin_, twin_->open());
    compare_all();
  }

  // The store stands at some state between the last flush and the end; then it is brought to the end again.
  void check_recovered(raft::TableStore& store, Result<raft::RecoveredTables> recovered) {
    REQUIRE(recovered.ok());
    const std::uint64_t applied = recovered->applied.value();
    REQUIRE(history_.contains(applied));
    REQUIRE_GE(applied, flushed_);
    const State& state = history_.at(applied);
    REQUIRE_EQ(recovered->snapshot == state.about.snapshot, true);
    REQUIRE(rows_of(store) == state.rows);
    for (auto it = batches_.upper_bound(applied); it != batches_.end(); ++it) REQUIRE(store.write(it->second).ok());
  }

  std::vector<raft::RowWrite> random_rows() {
    std::vector<raft::RowWrite> rows;
    for (std::uint64_t i = rng_.below(8); i > 0; --i) {
      raft::RowWrite row{static_cast<raft::TableId>(rng_.below(kTables)), "key" + std::to_string(rng_.below(60)), {}};
      if (rng_.below(4) == 0) row.key = Bytes("\0\xff", 2) + row.key;
      if (rng_.below(3) != 0) row.value = Bytes(rng_.below(500), static_cast<char>(rng_.below(256)));
      rows.push_back(row);
    }
    return rows;
  }

  void write() {
    const std::uint64_t applied = now().about.applied.value() + rng_.between(1, 3);
    raft::TableBatch batch{raft::Index(applied), random_rows()};
    REQUIRE(rocks_->write(batch).ok());
    REQUIRE(twin_->write(batch).ok());
    State next = now();
    next.about.applied = batch.applied;
    for (const raft::RowWrite& row : batch.rows) {
      if (row.value)
        next.rows[{row.table, row.key}] = *row.value;
      else
        next.rows.erase({row.table, row.key});
    }
    history_[applied] = std::move(next);
    batches_[applied] = std::move(batch);
  }

  void flush() {
    const raft::Index applied = now().about.applied;
    auto first = rocks_->flush();
    auto second = twin_->flush();
    REQUIRE(first.ok());
    REQUIRE(second.ok());
    EXPECT_EQ(first->value(), applied.value());
    EXPECT_EQ(second->value(), applied.value());
    forget_before(applied.value());
  }

  void replace() {
    auto first = rocks_->replace();
    auto second = twin_->replace();
    REQUIRE(first.ok());
    REQUIRE(second.ok());
    const std::uint64_t index = now().about.applied.value() + rng_.between(1, 30);
    State next{{raft::Index(index), base_at(index)}, {}};
    for (std::uint64_t parts = rng_.below(4); parts > 0; --parts) {
      std::vector<raft::Row> rows;
      for (const raft::RowWrite& row : random_rows())
        if (row.value) rows.push_back({row.table, row.key, *row.value});
      for (const raft::Row& row : rows) next.rows[{row.table, row.key}] = row.value;
      REQUIRE((*first)->add(rows).ok());
      REQUIRE((*second)->add(rows).ok());
    }
    if (rng_.below(3) == 0) return;  // given up
    if (rng_.below(4) == 0) return crash_with(std::move(*first), std::move(*second));
    REQUIRE((*first)->commit(*next.about.snapshot).ok());
    REQUIRE((*second)->commit(*next.about.snapshot).ok());
    history_[index] = std::move(next);
    forget_before(index);
  }

  void crash_with(std::unique_ptr<raft::TableReplacement> first, std::unique_ptr<raft::TableReplacement> second) {
    write();
    flush();  // rows of the unfinished replacement reach the disk with it
    first.reset();
    second.reset();
    crash();
  }

  void forget_before(std::uint64_t applied) {
    flushed_ = applied;
    history_.erase(history_.begin(), history_.find(applied));
    batches_.erase(batches_.begin(), batches_.upper_bound(applied));
  }

  void crash() {
    rocks_.reset();
    twin_.reset();
    platter_.crash(true);
    open();
  }

  void look_at_snapshot() {
    auto first = rocks_->snapshot();
    auto second = twin_->snapshot();
    REQUIRE(first.ok());
    REQUIRE(second.ok());
    const State before = now();
    const ByteCount step(rng_.between(1, 2000));
    write();
    if (rng_.below(2) == 0) flush();
    if (rng_.below(4) == 0) replace_whole();
    EXPECT_EQ((*first)->applied().value(), before.about.applied.value());
    REQUIRE(rest_of(**first, step) == before.rows);
    REQUIRE(rest_of(**second, step) == before.rows);
  }

  void replace_whole() {
    const std::uint64_t index = now().about.applied.value() + 5;
    for (raft::TableStore* store : {static_cast<raft::TableStore*>(rocks_.get()), static_cast<raft::TableStore*>(twin_.get())}) {
      auto replacement = store->replace();
      REQUIRE(replacement.ok());
      REQUIRE((*replacement)->add({{1, "only", "row"}}).ok());
      REQUIRE((*replacement)->commit(base_at(index)).ok());
    }
    history_[index] = {{raft::Index(index), base_at(index)}, {{{1, "only"}, "row"}}};
    forget_before(index);
  }

  void compare_all() {
    REQUIRE(rows_of(*rocks_) == now().rows);
    REQUIRE(rows_of(*twin_) == now().rows);
  }

  Rng rng_;
  sim::TablePlatter platter_;
  TempDir dir_;
  std::unique_ptr<RocksTables> rocks_;
  std::unique_ptr<sim::SimTables> twin_;
  std::map<std::uint64_t, State> history_;             // by applied index, since the last flush
  std::map<std::uint64_t, raft::TableBatch> batches_;  // as a Raft log would hold them
  std::uint64_t flushed_ = 0;
};

TEST_CASE("RocksDB and the in-memory twin agree over writes, flushes, snapshots, replacements and crashes") {
  for (std::uint64_t seed = 1; seed <= 8; ++seed) {
    CAPTURE(seed);
    Differential run(seed);
    for (int i = 0; i < 150; ++i) run.step();
    run.finish();
  }
}

TEST_CASE("tables of another cluster and tables in use are refused with the reason") {
  auto dir = TempDir::make();
  REQUIRE(dir.ok());
  const std::string folder = dir->file("tables");
  {
    RocksTables tables({folder, cluster(1)});
    REQUIRE(tables.open().ok());
    REQUIRE(tables.write({raft::Index(1), {{0, "k", "v"}}}).ok());
    RocksTables second({folder, cluster(1)});
    auto refused = second.open();
    REQUIRE_FALSE(refused.ok());
    EXPECT_EQ(outcome_of(refused), Code::Conflict);
  }
  RocksTables foreign({folder, cluster(2)});
  auto refused = foreign.open();
  REQUIRE_FALSE(refused.ok());
  EXPECT_EQ(outcome_of(refused), Code::Precondition);
  EXPECT_NE(error_text(refused).find("another data directory"), std::string::npos);
}

TEST_CASE("a flipped bit in a table file is an error, never other rows") {
  for (std::uint64_t seed = 1; seed <= 15; ++seed) {
    CAPTURE(seed);
    Rng rng(seed);
    auto dir = TempDir::make();
    REQUIRE(dir.ok());
    const RocksTablesOptions options{dir->file("tables"), cluster(1)};
    Rows rows;
    {
      RocksTables tables(options);
      REQUIRE(tables.open().ok());
      raft::TableBatch batch{raft::Index(1), {}};
      for (int i = 0; i < 50; ++i) {
        Bytes value;
        for (int b = 0; b < 40; ++b) value.push_back(static_cast<char>(rng.below(256)));
        batch.rows.push_back({1, "key" + std::to_string(i), value});
        rows[{1, batch.rows.back().key}] = value;
      }
      REQUIRE(tables.write(batch).ok());
      REQUIRE(tables.flush().ok());
    }
    for (const auto& file : std::filesystem::directory_iterator(options.folder)) {
      if (file.path().extension() != ".sst") continue;
      std::fstream stream(file.path(), std::ios::in | std::ios::out | std::ios::binary);
      const auto offset = static_cast<std::streamoff>(rng.below(file.file_size()));
      stream.seekg(offset);
      const char old = static_cast<char>(stream.get());
      stream.seekp(offset);
      stream.put(static_cast<char>(old ^ static_cast<char>(1 << rng.below(8))));
    }
    RocksTables tables(options);
    auto opened = tables.open();
    if (!opened) continue;
    EXPECT_EQ(opened->applied.value(), 1);
    Rows found;
    auto status = tables.for_each(1, [&](ByteView key, ByteView value) -> Status {
      found[{1, Bytes(key)}] = Bytes(value);
      return {};
    });
    if (status.ok()) {
      EXPECT(found == rows);
    } else {
      EXPECT_EQ(outcome_of(status), Code::Corrupt);
    }
  }
}

TEST_CASE("tables whose CURRENT or MANIFEST is damaged or gone are refused with their folder, and nothing is removed") {
  for (const std::string_view what : {"CURRENT gone", "CURRENT rubbish", "MANIFEST gone", "MANIFEST cut", "MANIFEST rubbish"}) {
    CAPTURE(what);
    auto dir = TempDir::make();
    REQUIRE(dir.ok());
    const RocksTablesOptions options{dir->file("tables"), cluster(1)};
    {
      RocksTables tables(options);
      REQUIRE(tables.open().ok());
      REQUIRE(tables.write({raft::Index(7), {{2, "a", "b"}}}).ok());
      REQUIRE(tables.flush().ok());
    }
    for (const auto& file : std::filesystem::directory_iterator(options.folder)) {
      const std::string path = file.path();
      if (!file.path().filename().string().starts_with(what.substr(0, what.find(' ')))) continue;
      if (what.ends_with("gone")) std::filesystem::remove(file.path());
      else if (what.ends_with("cut")) std::filesystem::resize_file(file.path(), 3);
      else REQUIRE(write_file_atomic(path, "rubbish\n").ok());
    }
    const auto tables_there = [&] {
      std::size_t count = 0;
      for (const auto& file : std::filesystem::directory_iterator(options.folder)) count += file.path().extension() == ".sst" ? 1 : 0;
      return count;
    };
    const std::size_t before = tables_there();
    EXPECT_GE(before, 1u);
    RocksTables tables(options);
    const auto opened = tables.open();
    EXPECT_FALSE(opened.ok());
    EXPECT_NE(error_text(opened).find(options.folder), std::string::npos);
    EXPECT_EQ(error_text(opened).find('\n'), std::string::npos);
    EXPECT_EQ(tables_there(), before);
  }
}

TEST_CASE("a store that flushes when it is closed comes back with everything") {
  auto dir = TempDir::make();
  REQUIRE(dir.ok());
  const RocksTablesOptions options{dir->file("tables"), cluster(1)};
  {
    RocksTables tables(options);
    REQUIRE(tables.open().ok());
    REQUIRE(tables.write({raft::Index(7), {{2, "a", "b"}}}).ok());
  }
  RocksTables tables(options);
  auto opened = tables.open();
  REQUIRE(opened.ok());
  EXPECT_EQ(opened->applied.value(), 7);
  EXPECT(rows_of(tables) == Rows{{{2, "a"}, "b"}});
}

TEST_CASE("a first start that was cut off before anything was durable is begun anew") {
  auto dir = TempDir::make();
  REQUIRE(dir.ok());
  const RocksTablesOptions options{dir->file("tables"), cluster(1)};
  REQUIRE(make_dirs(options.folder).ok());
  REQUIRE(write_file_atomic(options.folder + "/MANIFEST-000001", "cut").ok());
  RocksTables tables(options);
  auto opened = tables.open();
  REQUIRE(opened.ok());
  EXPECT_EQ(opened->applied.value(), 0);
}

TEST_CASE("RocksDB keeps no log file of its own, whose writes would end the process on a full disk") {
  auto dir = TempDir::make();
  REQUIRE(dir.ok());
  RocksTables tables({dir->file("tables"), cluster(1)});
  REQUIRE(tables.open().ok());
  EXPECT(std::filesystem::exists(dir->file("tables/CURRENT")));
  EXPECT(!std::filesystem::exists(dir->file("tables/LOG")));
}

}  // namespace
}  // namespace mesh::storage
