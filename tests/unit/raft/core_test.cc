// What transcripts cannot show: messages that no script would send, and exact times.
#include "raft/core.h"

#include <limits>

#include "raft/configuration.h"
#include "tests/test.h"
#include "tests/unit/raft/memory_store.h"

namespace mesh::raft {
namespace {

constexpr ServerId kSelf{1};

// A server with its disk, and nobody else.
class Lone {
 public:
  explicit Lone(std::vector<std::uint64_t> voters, std::vector<Entry> entries = {}, Term term = {}) {
    std::vector<ServerId> ids(voters.begin(), voters.end());
    PersistBatch batch = bootstrap_batch(make_configuration(ids, {}).value());
    batch.hard_state = HardState{term, kNoServer};
    batch.entries = std::move(entries);
    (void)log_.write(batch);
    RecoveredState state{log_.open().value(), {}};
    core_ = std::make_unique<Core>(CoreOptions{}, kSelf, std::move(state), Rng(7), now);
  }

  explicit Lone(RecoveredState state) {
    PersistBatch batch;
    batch.hard_state = state.log.hard_state;
    batch.reset = state.log.base;
    batch.entries = state.log.entries;
    batch.mark_damage = state.log.damaged;
    (void)log_.write(batch);
    core_ = std::make_unique<Core>(CoreOptions{}, kSelf, std::move(state), Rng(7), now);
  }

  // Steps, writes and applies at once; returns everything sent.
  std::vector<Message> step(Event event) {
    Actions actions = core_->step(now, std::move(event));
    core_->check_invariants();
    std::vector<Message> sent = std::move(actions.messages);
    for (auto& read : actions.reads) reads.push_back(std::move(read));
    const auto more = [&](Event next) {
      for (Message& message : step(std::move(next))) sent.push_back(std::move(message));
    };
    if (actions.persist) more(Persisted{log_.write(*actions.persist).value()});
    if (!actions.apply.empty() && applies) more(Applied{actions.apply.back().index});
    return sent;
  }
  std::vector<Message> receive(std::uint64_t from, std::uint64_t term, MessageBody body) {
    return step(Receive{{ServerId(from), kSelf, Term(term), std::move(body)}});
  }
  // Lets this server ask for a pre-vote.
  void ask() {
    now += seconds(1);
    step(Tick{});
    now = std::max(now, core_->next_deadline());
    step(Tick{});
  }
  // Lets this server win an election of the next term with the votes of 2 and 3.
  void lead() {
    ask();
    const std::uint64_t term = core_->term().value() + 1;
    for (const std::uint64_t id : {2U, 3U}) receive(id, term, VoteResponse{.pre = true, .granted = true, .asked = Term(term)});
    for (const std::uint64_t id : {2U, 3U}) receive(id, term, VoteResponse{.pre = false, .granted = true, .asked = Term(term)});
    REQUIRE(core_->role() == Role::Leader);
  }
  Core& core() { return *core_; }

  MonoTime now{};
  std::vector<ReadOutcome> reads;
  bool applies = true;

 private:
  MemoryLog log_;
  std::unique_ptr<Core> core_;
};

Entry entry(std::uint64_t index, std::uint64_t term) { return {Index(index), Term(term), EntryKind::Command, "x"}; }

TEST_CASE("the refusal of a past election's request does not count in the next election") {
  Lone one({1, 2, 3});
  one.ask();
  one.receive(2, 1, VoteResponse{.pre = true, .granted = true, .asked = Term(1)});
  REQUIRE(one.core().role() == Role::Candidate);
  one.receive(3, 2, VoteResponse{.pre = false, .granted = false, .asked = Term(1)});
  one.ask();
  one.receive(2, 2, VoteResponse{.pre = true, .granted = true, .asked = Term(3)});
  REQUIRE(one.core().term() == Term(3));
  one.receive(2, 3, VoteResponse{.pre = false, .granted = false, .asked = Term(1)});
  one.receive(3, 3, VoteResponse{.pre = false, .granted = false, .asked = Term(2)});
  EXPECT(one.core().role() == Role::Candidate);
  one.receive(2, 3, VoteResponse{.pre = false, .granted = true, .asked = Term(3)});
  EXPECT(one.core().role() == Role::Leader);
}

TEST_CASE("a majority that holds an entry of an older term does not commit it") {
  Lone one({1, 2, 3, 4, 5}, {entry(1, 1), entry(2, 1)}, Term(2));
  one.lead();
  for (const std::uint64_t id : {2U, 3U, 4U}) one.receive(id, 3, AppendResponse{.rejected = false, .index = Index(2)});
  EXPECT(one.core().commit() == Index(0));
  for (const std::uint64_t id : {2U, 3U}) one.receive(id, 3, AppendResponse{.rejected = false, .index = Index(3)});
  EXPECT(one.core().commit() == Index(3));
}

TEST_CASE("a read is not confirmed by an answer to a round that began before it") {
  Lone one({1, 2, 3});
  one.lead();
  one.receive(2, 1, AppendResponse{.rejected = false, .index = Index(1)});
  REQUIRE(one.core().commit() == Index(1));
  one.receive(2, 1, HeartbeatResponse{.round = 1});
  one.step(Read{RequestId(5)});                       // begins round 2
  one.receive(3, 1, HeartbeatResponse{.round = 1});   // an answer that was under way
  EXPECT(one.reads.empty());
  one.receive(3, 1, HeartbeatResponse{.round = 2});
  REQUIRE_EQ(one.reads.size(), 1U);
  EXPECT(one.reads[0].index.ok());
}

TEST_CASE("the lease ends a margin before an election timeout after the round that a quorum answered") {
  Lone one({1, 2, 3});
  one.lead();
  one.receive(2, 1, AppendResponse{.rejected = false, .index = Index(1)});
  const MonoTime sent = one.now;
  one.now += milliseconds(20);
  EXPECT_FALSE(one.core().lease_valid(one.now));
  one.receive(2, 1, HeartbeatResponse{.round = 1});
  const Duration lease = CoreOptions{}.election_timeout - CoreOptions{}.lease_margin;
  EXPECT(one.core().lease_valid(sent + lease - Duration(1)));
  EXPECT_FALSE(one.core().lease_valid(sent + lease));
}

TEST_CASE("the lease serves nothing while a committed entry is not applied") {
  Lone one({1, 2, 3});
  one.lead();
  one.receive(2, 1, AppendResponse{.rejected = false, .index = Index(1)});
  one.receive(2, 1, HeartbeatResponse{.round = 1});
  EXPECT(one.core().lease_valid(one.now));
  one.applies = false;
  one.step(Propose{{Proposal{RequestId(1), "x"}}});
  EXPECT(one.core().lease_valid(one.now));
  // A follower may apply entry 2 and serve a read from it as soon as it is committed.
  one.receive(2, 1, AppendResponse{.rejected = false, .index = Index(2)});
  EXPECT(one.core().commit() == Index(2));
  EXPECT_FALSE(one.core().lease_valid(one.now));
}

TEST_CASE("a server whose removal is not committed still leads, to commit it") {
  const Bytes without = encode_configuration(make_configuration({ServerId(2)}, {}).value());
  Lone one({1, 2}, {{Index(1), Term(1), EntryKind::Configuration, without}}, Term(1));
  one.lead();
  one.receive(2, 2, AppendResponse{.rejected = false, .index = Index(2)});
  EXPECT(one.core().commit() == Index(2));
  EXPECT(one.core().role() == Role::Follower);
}

TEST_CASE("a snapshot that became durable before its term raises the term at the restart") {
  RecoveredState state;
  state.log.hard_state = {Term(3), ServerId(2)};
  state.log.base.configuration = make_configuration({kSelf, ServerId(2), ServerId(3)}, {}).value();
  state.tables.applied = Index(7);
  state.tables.snapshot = LogBase{{Index(7), Term(5)}, state.log.base.configuration, {}};
  Lone one(std::move(state));
  one.step(Tick{});
  EXPECT(one.core().term() == Term(5));
  EXPECT(one.core().last().index == Index(7));
}

TEST_CASE("a repaired log knows as committed what the tables hold") {
  RecoveredState state;
  state.log.hard_state = {Term(1), kNoServer};
  state.log.base.configuration = make_configuration({kSelf, ServerId(2), ServerId(3)}, {}).value();
  state.log.entries = {entry(1, 1)};
  state.log.damaged = true;
  state.tables.applied = Index(3);
  Lone one(std::move(state));
  const auto answer = one.receive(2, 2, Heartbeat{.round = 1});
  REQUIRE_EQ(answer.size(), 1U);
  const std::uint64_t nonce = std::get<HeartbeatResponse>(answer[0].body).repair_nonce;
  EXPECT_NE(nonce, 0U);
  // The new leader has not committed anything yet.
  one.receive(2, 2, AppendRequest{.previous = {Index(1), Term(1)}, .commit = Index(0),
                                  .entries = {entry(2, 1), entry(3, 1), entry(4, 2)}, .repair = {nonce, Index(4)}});
  EXPECT_FALSE(one.core().damaged());
  EXPECT(one.core().commit() == Index(3));
}

TEST_CASE("a damaged log commits nothing on the word of a leader that does not know of the damage") {
  RecoveredState state;
  state.log.hard_state = {Term(2), kNoServer};
  state.log.base.configuration = make_configuration({kSelf, ServerId(2), ServerId(3)}, {}).value();
  state.log.entries = {entry(1, 1)};  // was cut off and replaced by an entry of term 2, which the damage took away
  state.log.damaged = true;
  Lone one(std::move(state));
  one.receive(2, 2, Heartbeat{.commit = Index(1), .round = 1});
  EXPECT(one.core().commit() == Index(0));
}

TEST_CASE("a damaged log may hold what was cut off, below what the tables hold") {
  RecoveredState state;
  state.log.hard_state = {Term(4), kNoServer};
  state.log.base.configuration = make_configuration({kSelf, ServerId(2), ServerId(3)}, {}).value();
  state.log.entries = {entry(1, 1), entry(2, 1)};
  state.log.damaged = true;
  state.tables.applied = Index(9);
  Lone one(std::move(state));
  EXPECT(one.core().commit() == Index(0));
}

TEST_CASE("a follower that ended its repair unheard is whole again with its answer to a later heartbeat") {
  Lone one({1, 2, 3});
  one.lead();
  one.receive(2, 1, HeartbeatResponse{.round = 1, .repair_nonce = 9});
  EXPECT(one.core().followers()[0].damaged);
  one.receive(2, 1, HeartbeatResponse{.round = 1});  // from before the damage
  EXPECT(one.core().followers()[0].damaged);
  one.receive(3, 1, HeartbeatResponse{.round = 1});
  one.now = one.core().next_deadline();
  one.step(Tick{});
  one.receive(2, 1, HeartbeatResponse{.round = 2});
  EXPECT_FALSE(one.core().followers()[0].damaged);
  EXPECT(one.core().followers()[0].match == Index(1));
}

TEST_CASE("a voter that hears its leader neither votes nor moves to the term of who asks") {
  Lone one({1, 2, 3});
  one.receive(2, 1, Heartbeat{});
  one.now += CoreOptions{}.election_timeout - Duration(1);
  EXPECT(one.receive(3, 9, VoteRequest{.last = {Index(9), Term(8)}}).empty());
  EXPECT(one.core().term() == Term(1));
  SUBCASE("unless the leader wants it") {
    one.receive(3, 9, VoteRequest{.transfer = true, .last = {Index(9), Term(8)}});
    EXPECT(one.core().term() == Term(9));
  }
  SUBCASE("and does when it has not heard it for an election timeout") {
    one.now += Duration(1);
    one.receive(3, 9, VoteRequest{.last = {Index(9), Term(8)}});
    EXPECT(one.core().term() == Term(9));
  }
}

TEST_CASE("a process that stood still restarts its timer instead of asking for an election") {
  Lone one({1, 2, 3});
  one.receive(2, 1, Heartbeat{});
  one.now += seconds(10);
  EXPECT(one.step(Tick{}).empty());
  EXPECT(one.core().leader() == ServerId(2));
  EXPECT_GT(one.core().next_deadline(), one.now);
}

TEST_CASE("what a correct peer cannot send changes nothing") {
  set_contain_sink([](const CheckSite&, std::string_view) {});
  Lone one({1, 2, 3}, {entry(1, 1)}, Term(1));
  one.lead();
  const auto before = contained_faults_total();
  constexpr std::uint64_t kMax = std::numeric_limits<std::uint64_t>::max();
  one.receive(2, 2, AppendResponse{.rejected = false, .index = Index(99)});
  one.receive(2, 2, HeartbeatResponse{.round = 99});
  one.receive(3, 2, Heartbeat{});
  one.receive(2, 2, SnapshotResponse{.snapshot = 1, .progress = SnapshotProgress::Installed, .sequence = 0, .index = Index(kMax)});
  EXPECT_EQ(contained_faults_total() - before, 4U);
  one.receive(2, 2, AppendResponse{.rejected = true, .index = Index(kMax), .hint = {Index(kMax), Term(kMax)}});
  EXPECT(one.core().role() == Role::Leader);
  EXPECT(one.core().commit() == Index(0));
}

}  // namespace
}  // namespace mesh::raft
