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
  template <class Body>
  [[nodiscard]] bool has() const {
    return std::any_of(sent.begin(), sent.end(), [](const raft::Message& each) { return std::holds_alternative<Body>(each.body); });
  }
  std::vector<raft::Message> sent;
};

class HostRig : public RaftHostObserver {
 public:
  explicit HostRig(Backing& backing, RaftHostOptions options = {}) : options_(options) {
    options_.self = raft::ServerId(1);
    if (options_.core.election_timeout == raft::CoreOptions().election_timeout) options_.core.election_timeout = milliseconds(20);
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

// Found by scripts/torture: three servers that were killed together knew no other server and elected none.
TEST_CASE("where the servers are survives a crash of all of them before the next flush") {
  Backing backing;
  {
    HostRig rig(backing);
    rig.lead();
    model::InitCommand init;
    init.cluster_id = "11111111-1111-4111-8111-111111111111";
    init.datacenter = "dc1";
    init.domain = "mesh";
    init.server.emplace();
    init.server->server_id = 1;
    init.server->address = "10.0.0.1:8300";
    const HostRig::Slot slot = rig.start(model::make_command(init));
    REQUIRE(rig.wait([&] { return slot->has_value() && backing.flushes > 0; }));
    REQUIRE((*slot)->ok());
  }
  HostRig again(backing);
  REQUIRE(again.machine.state().catalog().servers().size() == 1);
  EXPECT_EQ(again.machine.state().catalog().servers().front()->address, "10.0.0.1:8300");
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
  EXPECT(outcome_of(*(*slot)) == Code::Cancelled);
  EXPECT(outcome_of(rig.write("later")) == Code::Cancelled);
  EXPECT(outcome_of(rig.read(model::ReadMode::Consistent)) == Code::Cancelled);
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
  const MonoTime started = rig.loop.now();
  REQUIRE(rig.wait([&] { return held->has_value(); }));
  EXPECT(outcome_of(*(*held)) == Code::Io);
  const Result<Bytes> next = rig.write("x");
  EXPECT(outcome_of(next) == Code::Io);
  EXPECT_LT(rig.loop.now() - started, RaftHost::kFullRetry);  // neither waited for the next try
  EXPECT(rig.read(model::ReadMode::Stale).ok());
  backing.log_full = false;
  REQUIRE(rig.wait([&] { return rig.write("after").ok(); }));
  EXPECT(rig.machine.state().kv().find("held") != nullptr);  // it was in the log: told as "may still happen"
  EXPECT(rig.machine.state().kv().find("x") == nullptr);
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
  EXPECT(outcome_of(rig.write("k")) == Code::Unavailable);
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
  EXPECT(outcome_of(*(*slots[4])) == Code::Overloaded);
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

// The first of three servers; leads with the vote of the second.
void lead_three(HostRig& rig) {
  const auto from = [&](std::uint64_t id, raft::MessageBody body) {
    rig.host->receive({raft::ServerId(id), raft::ServerId(1), rig.host->core().term(), std::move(body)});
  };
  from(2, raft::TimeoutNow{});
  REQUIRE(rig.wait([&] { return rig.transport.has<raft::VoteRequest>(); }));
  from(2, raft::VoteResponse{.pre = false, .granted = true, .asked = rig.host->core().term()});
  REQUIRE(rig.host->is_leader());
}

RaftHostOptions patient() {
  RaftHostOptions options;
  options.core.election_timeout = seconds(60);
  return options;
}

void make_three(Backing& backing) {
  FakeLog log(backing);
  REQUIRE(log.open().ok());
  const raft::Configuration three{{raft::ServerId(1), raft::ServerId(2), raft::ServerId(3)}, {}};
  REQUIRE(log.write(raft::bootstrap_batch(three)).ok());
}

TEST_CASE("writes that another leader's log cuts off are answered, not kept waiting for their index") {
  Backing backing;
  make_three(backing);
  HostRig rig(backing, patient());
  lead_three(rig);
  const raft::LogPosition noop = rig.host->core().last();
  std::vector<HostRig::Slot> slots;
  for (int i = 0; i < 3; ++i) slots.push_back(rig.start(model::make_command(kv_command(model::KvOp::Set, "k", "v"))));
  REQUIRE(rig.wait([&] { return rig.host->core().last().index == noop.index + 3; }));
  const raft::Term later = rig.host->core().term() + 1;
  raft::AppendRequest append{.previous = {noop.index - 1, rig.host->core().term_at(noop.index - 1)}, .commit = {}, .entries = {}, .repair = {}};
  append.entries.push_back({noop.index, later, raft::EntryKind::Noop, {}});
  rig.host->receive({raft::ServerId(3), raft::ServerId(1), later, std::move(append)});
  for (const HostRig::Slot& slot : slots) {
    REQUIRE(slot->has_value());
    EXPECT(outcome_of(*(*slot)) == Code::Unavailable);
  }
}

TEST_CASE("a leader hands over: it asks another voter to take its place, and says when that is done") {
  Backing backing;
  make_three(backing);
  HostRig rig(backing, patient());
  bool handed_over = false;
  rig.host->hand_over([&](const Status&) { handed_over = true; });
  REQUIRE(rig.wait([&] { return handed_over; }));  // it does not lead: nothing to do
  lead_three(rig);
  const raft::LogPosition noop = rig.host->core().last();
  const auto from = [&](std::uint64_t id, raft::Term term, raft::MessageBody body) {
    rig.host->receive({raft::ServerId(id), raft::ServerId(1), term, std::move(body)});
  };
  REQUIRE(rig.wait([&] { return rig.host->core().durable() == noop.index; }));
  from(2, noop.term, raft::AppendResponse{.rejected = false, .index = noop.index, .hint = {}, .repair_nonce = 0});
  REQUIRE(rig.wait([&] { return rig.host->serves(); }));
  handed_over = false;
  rig.transport.sent.clear();
  rig.host->hand_over([&](const Status&) { handed_over = true; });
  REQUIRE(rig.wait([&] { return rig.transport.has<raft::TimeoutNow>(); }));
  EXPECT_FALSE(handed_over);
  from(2, noop.term + 1, raft::VoteRequest{.pre = false, .transfer = true, .last = noop});
  EXPECT(handed_over);
  EXPECT_FALSE(rig.host->is_leader());
}

TEST_CASE("changes of members are answered with their place in the log, or with why not") {
  Backing backing;
  HostRig rig(backing);
  rig.lead();
  const auto change = [&](raft::MembershipChange::Kind kind, std::uint64_t id) {
    std::optional<Result<raft::LogPosition>> result;
    rig.host->change_members({kind, raft::ServerId(id)}, [&](Result<raft::LogPosition> got) { result = std::move(got); });
    REQUIRE(rig.wait([&] { return result.has_value(); }));
    return *result;
  };
  const auto added = change(raft::MembershipChange::Kind::AddLearner, 2);
  REQUIRE(added.ok());
  EXPECT_EQ(added->index, rig.host->core().last().index);
  EXPECT_FALSE(rig.host->core().configuration().is_voter(raft::ServerId(2)));
  REQUIRE(rig.wait([&] { return rig.host->core().configuration_committed(); }));
  EXPECT(outcome_of(change(raft::MembershipChange::Kind::Remove, 9)) == Code::Invalid);
}

TEST_CASE("a log that holds something is not bootstrapped again") {
  Backing backing;
  FakeLog log(backing);
  REQUIRE(bootstrap(log, raft::ServerId(1)).ok());
  EXPECT(outcome_of(bootstrap(log, raft::ServerId(1))) == Code::Conflict);
}

}  // namespace
}  // namespace mesh::server
