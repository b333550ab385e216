#include "server/snapshot_transfer.h"

#include <atomic>

#include "base/file.h"
#include "storage/rocks_tables.h"
#include "tests/test.h"
#include "tests/unit/server/command_maker.h"

namespace mesh::server {
namespace {

constexpr Duration kPatience = seconds(20);

// The real tables, with a disk that can be full or unreadable. The switches are set while the worker is idle.
class TroubledTables final : public raft::TableStore {
 public:
  explicit TroubledTables(const std::string& folder)
      : tables_(storage::RocksTablesOptions{folder, Uuid(Uuid::Raw{7})}) {}

  std::atomic<bool> full{false};
  std::atomic<bool> unreadable{false};

  Result<raft::RecoveredTables> open() override { return tables_.open(); }
  Status write(const raft::TableBatch& batch) override { return tables_.write(batch); }
  Result<raft::Index> flush() override { return tables_.flush(); }
  Status for_each(raft::TableId table, UniqueFunction<Status(ByteView, ByteView)> visit) override {
    return tables_.for_each(table, std::move(visit));
  }
  Result<std::unique_ptr<raft::TableSnapshot>> snapshot() override {
    if (unreadable) return error(Code::Corrupt, "block checksum");
    return tables_.snapshot();
  }
  Result<std::unique_ptr<raft::TableReplacement>> replace() override {
    MESH_TRY(replacement, tables_.replace());
    return std::unique_ptr<raft::TableReplacement>(new Replacement(*this, std::move(replacement)));
  }

 private:
  class Replacement final : public raft::TableReplacement {
   public:
    Replacement(TroubledTables& owner, std::unique_ptr<raft::TableReplacement> inner)
        : owner_(owner), inner_(std::move(inner)) {}
    Status add(std::vector<raft::Row> rows) override {
      if (owner_.full) return error(Code::Unavailable, "no space");
      return inner_->add(std::move(rows));
    }
    Status commit(const raft::LogBase& base) override {
      if (owner_.full) return error(Code::Unavailable, "no space");
      return inner_->commit(base);
    }

   private:
    TroubledTables& owner_;
    std::unique_ptr<raft::TableReplacement> inner_;
  };

  storage::RocksTables tables_;
};

raft::LogBase base_at(raft::Index index) {
  raft::LogBase base;
  base.position = {index, raft::Term(3)};
  base.configuration.voters = {raft::ServerId(1)};
  base.configuration_index = raft::Index(1);
  return base;
}

// One server's side of transfers: its tables, its state machine, and the events that its core would get.
class Side {
 public:
  explicit Side(const std::string& prefix) : folder_(std::move(TempDir::make(prefix)).value()), tables(folder_.file("tables")) {
    REQUIRE(tables.open().ok());
  }

  // As many values of 100,000 bytes, each replaced once.
  void fill(std::uint64_t values, char what) {
    for (std::uint64_t i = 0; i < 2 * values; ++i) {
      const Bytes value(100'000, static_cast<char>(what + static_cast<char>(i / values)));
      commands.run(kv_command(model::KvOp::Set, fmt::format("key {}", i % values), value));
      REQUIRE(tables.write({raft::Index(commands.index), commands.rows.back()}).ok());
    }
  }

  // Carries the action out and returns the event that answers it.
  template <class Action>
  raft::Event ask(Action action) {
    transfer.carry_out(raft::SnapshotAction(std::in_place_type<Action>, std::move(action)), raft::Index(commands.index));
    return next_event();
  }
  raft::Event next_event() {
    REQUIRE(loop.run_until([&] { return !events.empty(); }, kPatience));
    raft::Event event = std::move(events.front());
    events.erase(events.begin());
    return event;
  }
  // Until the worker has done what it was given.
  void settle() {
    bool done = false;
    worker.run([] { return Unit{}; }, [&](Unit) { done = true; });
    REQUIRE(loop.run_until([&] { return done; }, kPatience));
  }
  template <class Action>
  bool fails(Action action, raft::SnapshotId id) {
    const raft::Event event = ask(std::move(action));
    const auto* failed = std::get_if<raft::SnapshotFailed>(&event);
    return failed != nullptr && failed->id == id && events.empty();
  }
  bool stores(raft::SnapshotId id, std::uint64_t sequence, Bytes chunk) {
    const raft::Event event = ask(raft::WriteSnapshot{id, sequence, std::move(chunk)});
    const auto* written = std::get_if<raft::SnapshotWritten>(&event);
    return written != nullptr && written->id == id && written->sequence == sequence;
  }
  bool installs(raft::SnapshotId id, raft::Index index) {
    const raft::Event event = ask(raft::InstallSnapshot{id, base_at(index)});
    const auto* done = std::get_if<raft::SnapshotInstalled>(&event);
    return done != nullptr && done->id == id && installed.back() == base_at(index);
  }

  // All chunks of a snapshot of what the tables hold.
  std::vector<Bytes> chunks(raft::SnapshotId id) {
    const raft::Event opened = ask(raft::OpenSnapshot{id, raft::Index(commands.index)});
    REQUIRE(std::get<raft::SnapshotOpened>(opened).applied == raft::Index(commands.index));
    std::vector<Bytes> out;
    for (bool last = false; !last;) {
      raft::Event event = ask(raft::ReadSnapshot{id});
      auto& read = std::get<raft::SnapshotRead>(event);
      REQUIRE(read.data.size() <= raft::kSnapshotChunkBytesMax);
      out.push_back(std::move(read.data));
      last = read.last;
    }
    transfer.carry_out(raft::CloseSnapshot{id}, raft::Index(commands.index));
    return out;
  }

  // What a restart would find: the state that the rows in the tables make.
  State stored_state() {
    State out;
    auto snapshot = tables.snapshot();
    REQUIRE(snapshot.ok());
    for (;;) {
      auto rows = (*snapshot)->next(ByteCount(1'000'000));
      REQUIRE(rows.ok());
      if (rows->empty()) return out;
      for (raft::Row& row : *rows)
        REQUIRE(out.change({model::TableId(row.table), std::move(row.key), std::move(row.value)}, 0).ok());
    }
  }

 private:
  TempDir folder_;

 public:
  TroubledTables tables;
  Applier commands;
  net::Loop loop{"test"};
  std::vector<raft::Event> events;
  std::vector<raft::LogBase> installed;
  SnapshotTransfer transfer{{worker, tables, commands.machine,
                             [this](raft::Event event) { events.push_back(std::move(event)); },
                             [this](const raft::LogBase& base) { installed.push_back(base); }}};
  net::BlockingWorker worker{loop.ref(), "disk"};
};

constexpr raft::SnapshotId kFirst{11};
constexpr raft::SnapshotId kSecond{12};

TEST_CASE("a snapshot travels in chunks and gives the receiver the sender's rows and state") {
  Side sender("sender");
  sender.fill(9, 'a');
  Side receiver("receiver");
  receiver.fill(2, 'x');  // is replaced, not mixed in
  const std::vector<Bytes> chunks = sender.chunks(kFirst);
  REQUIRE_GE(chunks.size(), 4);
  for (std::size_t i = 0; i < chunks.size(); ++i) REQUIRE(receiver.stores(kFirst, i, chunks[i]));
  EXPECT_NE(receiver.commands.state().hash(), sender.commands.state().hash());
  REQUIRE(receiver.installs(kFirst, raft::Index(18)));
  EXPECT_EQ(receiver.commands.state().hash(), sender.commands.state().hash());
  EXPECT_EQ(receiver.stored_state().hash(), sender.commands.state().hash());
}

TEST_CASE("a snapshot shows the tables as they were when it was opened") {
  Side sender("sender");
  sender.fill(3, 'a');
  const std::uint64_t hash = sender.commands.state().hash();
  sender.ask(raft::OpenSnapshot{kFirst, raft::Index(6)});
  sender.fill(3, 'm');
  Side receiver("receiver");
  bool last = false;
  for (std::uint64_t sequence = 0; !last; ++sequence) {
    raft::Event event = sender.ask(raft::ReadSnapshot{kFirst});
    auto& read = std::get<raft::SnapshotRead>(event);
    last = read.last;
    REQUIRE(receiver.stores(kFirst, sequence, std::move(read.data)));
  }
  REQUIRE(receiver.installs(kFirst, raft::Index(6)));
  EXPECT_EQ(receiver.commands.state().hash(), hash);
}

TEST_CASE("a snapshot is opened when the tables hold what it must contain, and not if it is closed before") {
  Side sender("sender");
  sender.fill(1, 'a');
  sender.transfer.carry_out(raft::OpenSnapshot{kFirst, raft::Index(4)}, raft::Index(2));
  sender.transfer.carry_out(raft::OpenSnapshot{kSecond, raft::Index(4)}, raft::Index(2));
  sender.transfer.on_tables_written(raft::Index(3));
  sender.transfer.carry_out(raft::CloseSnapshot{kFirst}, raft::Index(3));
  sender.settle();
  EXPECT(sender.events.empty());
  sender.fill(1, 'b');
  sender.transfer.on_tables_written(raft::Index(4));
  const raft::Event event = sender.next_event();
  EXPECT(std::get<raft::SnapshotOpened>(event).id == kSecond);
  EXPECT_EQ(std::get<raft::SnapshotOpened>(event).applied.value(), 4);
  sender.settle();
  EXPECT(sender.events.empty());
}

TEST_CASE("a snapshot that cannot be opened fails, and so does reading from it") {
  Side sender("sender");
  sender.fill(1, 'a');
  sender.tables.unreadable = true;
  EXPECT(sender.fails(raft::OpenSnapshot{kFirst, raft::Index(1)}, kFirst));
  EXPECT(sender.fails(raft::ReadSnapshot{kFirst}, kFirst));
}

TEST_CASE("a chunk that is no chunk fails the transfer and leaves tables and state alone") {
  Side sender("sender");
  sender.fill(6, 'a');
  const std::vector<Bytes> chunks = sender.chunks(kFirst);
  Side receiver("receiver");
  receiver.fill(2, 'x');
  const std::uint64_t before = receiver.commands.state().hash();
  Bytes cut_short = chunks[1].substr(0, chunks[1].size() - 5);
  SnapshotChunkRows without_value;
  without_value.rows.push_back({model::kTableKv, "key", std::nullopt});
  for (const Bytes& wrong : {cut_short, Bytes("\x0a\xff\xff"), encode(without_value)}) {
    REQUIRE(receiver.stores(kFirst, 0, chunks[0]));
    EXPECT(receiver.fails(raft::WriteSnapshot{kFirst, 1, wrong}, kFirst));
    receiver.transfer.carry_out(raft::DiscardSnapshot{kFirst}, raft::Index(4));
  }
  receiver.settle();
  EXPECT_EQ(receiver.commands.state().hash(), before);
  EXPECT_EQ(receiver.stored_state().hash(), before);
}

TEST_CASE("a transfer that was interrupted leaves nothing behind and cannot be gone on with") {
  Side sender("sender");
  sender.fill(6, 'a');
  const std::vector<Bytes> chunks = sender.chunks(kFirst);
  Side receiver("receiver");
  receiver.fill(2, 'x');
  const std::uint64_t before = receiver.commands.state().hash();
  REQUIRE(receiver.stores(kFirst, 0, chunks[0]));
  receiver.transfer.carry_out(raft::DiscardSnapshot{kFirst}, raft::Index(4));
  EXPECT(receiver.fails(raft::WriteSnapshot{kFirst, 1, chunks[1]}, kFirst));
  EXPECT(receiver.fails(raft::InstallSnapshot{kFirst, base_at(raft::Index(12))}, kFirst));
  EXPECT_EQ(receiver.stored_state().hash(), before);
  EXPECT(receiver.installed.empty());
  for (std::size_t i = 0; i < chunks.size(); ++i) REQUIRE(receiver.stores(kSecond, i, chunks[i]));
  REQUIRE(receiver.installs(kSecond, raft::Index(12)));
  EXPECT_EQ(receiver.stored_state().hash(), sender.commands.state().hash());
}

TEST_CASE("a newer snapshot overtakes the one under way") {
  Side sender("sender");
  sender.fill(6, 'a');
  const std::vector<Bytes> older = sender.chunks(kFirst);
  sender.commands.run(kv_command(model::KvOp::Delete, "key 0"));
  REQUIRE(sender.tables.write({raft::Index(13), sender.commands.rows.back()}).ok());
  const std::vector<Bytes> newer = sender.chunks(kSecond);
  Side receiver("receiver");
  REQUIRE(receiver.stores(kFirst, 0, older[0]));
  REQUIRE(receiver.stores(kSecond, 0, newer[0]));
  EXPECT(receiver.fails(raft::WriteSnapshot{kFirst, 1, older[1]}, kFirst));
  receiver.transfer.carry_out(raft::DiscardSnapshot{kFirst}, raft::Index(0));  // of the old one: not of this
  for (std::size_t i = 1; i < newer.size(); ++i) REQUIRE(receiver.stores(kSecond, i, newer[i]));
  REQUIRE(receiver.installs(kSecond, raft::Index(13)));
  EXPECT_EQ(receiver.stored_state().hash(), sender.commands.state().hash());
}

TEST_CASE("a full disk fails the transfer, keeps the old tables, and the next one works once there is space") {
  Side sender("sender");
  sender.fill(3, 'a');
  const std::vector<Bytes> chunks = sender.chunks(kFirst);
  Side receiver("receiver");
  receiver.fill(2, 'x');
  const std::uint64_t before = receiver.commands.state().hash();
  receiver.tables.full = true;
  EXPECT(receiver.fails(raft::WriteSnapshot{kFirst, 0, chunks[0]}, kFirst));
  receiver.tables.full = false;
  for (std::size_t i = 0; i < chunks.size(); ++i) REQUIRE(receiver.stores(kFirst, i, chunks[i]));
  receiver.tables.full = true;
  EXPECT(receiver.fails(raft::InstallSnapshot{kFirst, base_at(raft::Index(6))}, kFirst));
  EXPECT_EQ(receiver.stored_state().hash(), before);
  EXPECT_EQ(receiver.commands.state().hash(), before);
  receiver.tables.full = false;
  for (std::size_t i = 0; i < chunks.size(); ++i) REQUIRE(receiver.stores(kSecond, i, chunks[i]));
  REQUIRE(receiver.installs(kSecond, raft::Index(6)));
  EXPECT_EQ(receiver.stored_state().hash(), sender.commands.state().hash());
}

}  // namespace
}  // namespace mesh::server
