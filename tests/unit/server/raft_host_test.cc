#include "server/raft_host.h"

#include "tests/test.h"

#include <algorithm>
#include <optional>
#include <vector>

#include "tests/unit/server/command_maker.h"
#include "tests/unit/server/fake_stores.h"

namespace mesh::server {
namespace {

constexpr Duration kPatience = seconds(20);

class RecordingTransport final : public RaftTransport {
 public:
  void send(raft::Message message) override { sent.push_back(std::move(message)); }
  std::vector<raft::Message> sent;
};

class HostRig : public RaftHostObserver {
 public:
  explicit HostRig(Backing& backing, RaftHostOptions options = {}) : options_(options) {
    options_.self = raft::ServerId(1);
    options_.core.election_timeout = milliseconds(20);
    options_.core.heartbeat_interval = milliseconds(5);
    options_.core.lease_margin = milliseconds(2);
    if (backing.log.base == raft::LogBase{} && backing.log.entries.empty()) {
      FakeLog log(backing);
      REQUIRE(bootstrap(log, raft::ServerId(1)).ok());
    }
    RaftStores stores{std::make_unique<FakeLog>(backing), std::make_unique<FakeTables>(backing)};
    Result<std::unique_ptr<RaftHost>> opened =
        RaftHost::open({loop, machine, transport, *this}, options_, std::move(stores));
    REQUIRE(opened.ok());
    host = std::move(*opened);
  }
  ~HostRig() override { host.reset(); }

  void on_role(const raft::RoleChange& change) override { role = change.role; }
  void on_fatal(const Error&) override { ++fatals; }

  bool wait(UniqueFunction<bool()> done) { return loop.run_until(std::move(done), kPatience); }
  void lead() {
    REQUIRE(wait([&] { return host->is_leader() && host->core().applied() == host->core().last().index; }));
  }
  // Starts a write; the result comes to the slot.
  using Slot = std::shared_ptr<std::optional<Result<Bytes>>>;
  Slot start(model::Command command) {
    auto slot = std::make_shared<std::optional<Result<Bytes>>>();
    command.random = Bytes(32, 'r');
    host->propose(model::encode_command(command),
                  [slot](Result<Bytes> result) { *slot = std::move(result); });
    return slot;
  }
  Result<Bytes> write(const std::string& key, const std::string& value = "v") {
    const Slot slot = start(model::make_command(kv_command(model::KvOp::Set, key, value)));
    EXPECT_FALSE(slot->has_value());  // never from inside the call
    REQUIRE(wait([&] { return slot->has_value(); }));
    return **slot;
  }
  Result<raft::Index> read(model::ReadMode mode) {
    std::optional<Result<raft::Index>> answer;
    host->read(mode, [&](Result<raft::Index> index) { answer = std::move(index); });
    EXPECT_FALSE(answer.has_value());
    REQUIRE(wait([&] { return answer.has_value(); }));
    return *answer;
  }
  void stop() {
    bool stopped = false;
    host->stop([&] { stopped = true; });
    REQUIRE(wait([&] { return stopped; }));
  }

  net::Loop loop{"test"};
  StateMachine machine;
  RecordingTransport transport;
  std::unique_ptr<RaftHost> host;
  raft::Role role = raft::Role::Follower;
  int fatals = 0;

 private:
  RaftHostOptions options_;
};

TEST_CASE("a lone server leads by itself and answers a write after applying it") {
  Backing backing;
  HostRig rig(backing);
  rig.lead();
  EXPECT(rig.role == raft::Role::Leader);
  const Result<Bytes> result = rig.write("k");
  REQUIRE(result.ok());
  EXPECT(rig.machine.state().kv().find("k") != nullptr);
  EXPECT_EQ(decode<model::CommandResult>(*result)->index, rig.machine.state().kv().index_of("k"));
  EXPECT_EQ(backing.log.entries.back().index.value(), rig.machine.state().kv().index_of("k"));
}

TEST_CASE("writes given together are committed together and answered in order") {
  Backing backing;
  HostRig rig(backing);
  rig.lead();
  std::vector<HostRig::Slot> slots;
  for (int i = 0; i < 200; ++i) {
    slots.push_back(rig.start(model::make_command(kv_command(model::KvOp::Set, fmt::format("k{}", i), "v"))));
  }
  REQUIRE(rig.wait([&] { return slots.back()->has_value(); }));
  std::uint64_t previous = 0;
  for (const HostRig::Slot& slot : slots) {
    REQUIRE((slot->has_value() && (*slot)->ok()));
    const std::uint64_t index = decode<model::CommandResult>(***slot)->index;
    EXPECT_GT(index, previous);
    previous = index;
  }
}

TEST_CASE("after a crash that lost the tables' tail the log brings the state back") {
  Backing backing;
  std::uint64_t hash = 0;
  {
    HostRig rig(backing);
    rig.lead();
    for (int i = 0; i < 20; ++i) REQUIRE(rig.write(fmt::format("k{}", i)).ok());
    hash = rig.machine.state().hash();
  }
  EXPECT_EQ(backing.flushes, 0);
  HostRig again(backing);
  again.lead();
  EXPECT_EQ(again.machine.state().hash(), hash);
  EXPECT(again.write("more").ok());
}

TEST_CASE("a clean stop flushes, so that the next start replays nothing") {
  Backing backing;
  std::uint64_t hash = 0;
  {
    HostRig rig(backing);
    rig.lead();
    for (int i = 0; i < 20; ++i) REQUIRE(rig.write(fmt::format("k{}", i)).ok());
    rig.stop();
    hash = rig.machine.state().hash();
    EXPECT_EQ(backing.tables.applied, backing.log.entries.back().index);
  }
  HostRig again(backing);
  EXPECT_EQ(again.machine.state().hash(), hash);
}

TEST_CASE("after stop new and waiting work is cancelled") {
  Backing backing;
  HostRig rig(backing);
  rig.lead();
  const HostRig::Slot slot = rig.start(model::make_command(kv_command(model::KvOp::Set, "k", "v")));
  rig.stop();
  REQUIRE(slot->has_value());
  EXPECT((*slot)->error().code == Code::Cancelled);
  EXPECT(rig.write("later").error().code == Code::Cancelled);
  EXPECT(rig.read(model::ReadMode::Consistent).error().code == Code::Cancelled);
}

TEST_CASE("reads of every mode see what was acknowledged before") {
  Backing backing;
  HostRig rig(backing);
  rig.lead();
  REQUIRE(rig.write("k").ok());
  const std::uint64_t index = rig.machine.state().kv().index_of("k");
  for (const auto mode : {model::ReadMode::Default, model::ReadMode::Consistent, model::ReadMode::Stale}) {
    const Result<raft::Index> read = rig.read(mode);
    REQUIRE(read.ok());
    EXPECT_GE(read->value(), index);
  }
}

TEST_CASE("a full disk refuses writes, serves reads and recovers by itself") {
  Backing backing;
  HostRig rig(backing);
  rig.lead();
  REQUIRE(rig.write("before").ok());
  backing.log_full = true;
  const HostRig::Slot held = rig.start(model::make_command(kv_command(model::KvOp::Set, "held", "v")));
  REQUIRE(rig.wait([&] {
    const HostRig::Slot next = rig.start(model::make_command(kv_command(model::KvOp::Set, "x", "v")));
    rig.loop.run_until([&] { return next->has_value(); }, milliseconds(50));
    return next->has_value() && !(*next)->ok();
  }));
  EXPECT(rig.read(model::ReadMode::Stale).ok());
  backing.log_full = false;
  REQUIRE(rig.wait([&] { return held->has_value(); }));
  EXPECT((*held)->ok());
  EXPECT(rig.write("after").ok());
  EXPECT_EQ(rig.fatals, 0);
}

TEST_CASE("tables without space hold their batch and lose nothing") {
  Backing backing;
  std::uint64_t hash = 0;
  {
    HostRig rig(backing);
    rig.lead();
    backing.tables_full = true;
    REQUIRE(rig.write("k").ok());
    REQUIRE(rig.wait([&] { return !rig.write("x").ok(); }));
    backing.tables_full = false;
    REQUIRE(rig.wait([&] { return rig.write("y").ok(); }));
    rig.stop();
    hash = rig.machine.state().hash();
  }
  HostRig again(backing);
  EXPECT_EQ(again.machine.state().hash(), hash);
}

TEST_CASE("a broken log ends the server: waiting writes fail and the observer hears it once") {
  Backing backing;
  HostRig rig(backing);
  rig.lead();
  backing.log_broken = true;
  EXPECT(rig.write("k").error().code == Code::Unavailable);
  EXPECT_EQ(rig.fatals, 1);
  EXPECT_FALSE(rig.write("k").ok());
  rig.stop();
  EXPECT_EQ(rig.fatals, 1);
}

// A restart finds out what else rotted, marks it and has it repaired; to try again would never end.
TEST_CASE("an entry that rotted while the server ran ends it when it is read for a follower") {
  Backing backing;
  FakeLog log(backing);
  REQUIRE(log.write(raft::bootstrap_batch({{raft::ServerId(1)}, {raft::ServerId(2)}})).ok());
  RaftHostOptions options;
  options.core.memory_bytes_max = ByteCount{1};
  HostRig rig(backing, options);
  rig.lead();
  backing.log_rotten = true;
  const auto probe = std::find_if(rig.transport.sent.begin(), rig.transport.sent.end(), [](const raft::Message& message) {
    return std::holds_alternative<raft::AppendRequest>(message.body);
  });
  REQUIRE(probe != rig.transport.sent.end());
  raft::AppendResponse behind;
  behind.index = std::get<raft::AppendRequest>(probe->body).previous.index;
  rig.host->receive({probe->to, probe->from, probe->term, behind});
  REQUIRE(rig.wait([&] { return rig.fatals == 1; }));
  EXPECT_FALSE(rig.write("k").ok());
}

TEST_CASE("more waiting writes than the limit are refused as overloaded") {
  Backing backing;
  RaftHostOptions options;
  options.proposals_max = 3;
  HostRig rig(backing, options);
  rig.lead();
  std::vector<HostRig::Slot> slots;
  for (int i = 0; i < 5; ++i) {
    slots.push_back(rig.start(model::make_command(kv_command(model::KvOp::Set, "k", "v"))));
  }
  REQUIRE(rig.wait([&] { return slots[0]->has_value() && slots[4]->has_value(); }));
  EXPECT((*slots[0])->ok());
  EXPECT((*slots[4])->error().code == Code::Overloaded);
}

TEST_CASE("the log is cut behind flushed state") {
  Backing backing;
  RaftHostOptions options;
  options.flush_bytes = 2000;
  options.core.compact_bytes = ByteCount{20'000};
  options.core.compact_tail_bytes = ByteCount{2'000};
  HostRig rig(backing, options);
  rig.lead();
  for (int i = 0; i < 300; ++i)
    REQUIRE(rig.write(fmt::format("k{}", i % 10), fmt::format("{:0100}", i)).ok());
  REQUIRE(rig.wait([&] { return rig.host->core().base().index > raft::Index(0); }));
  EXPECT_GT(backing.flushes, 1);
  EXPECT_LE(rig.host->core().base().index, backing.tables.applied);
}

TEST_CASE("a log that holds something is not bootstrapped again") {
  Backing backing;
  FakeLog log(backing);
  REQUIRE(bootstrap(log, raft::ServerId(1)).ok());
  EXPECT(bootstrap(log, raft::ServerId(1)).error().code == Code::Conflict);
}

}  // namespace
}  // namespace mesh::server
