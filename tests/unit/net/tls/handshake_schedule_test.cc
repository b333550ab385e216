#include "net/tls/handshake_schedule.h"

#include "tests/test.h"

namespace mesh::net {

namespace {

using Schedule = HandshakeSchedule;
using Id = Schedule::Id;
using Step = Schedule::Step;

constexpr auto kClient = HandshakeSide::Client;
constexpr auto kServer = HandshakeSide::Server;

MonoTime at(std::int64_t ms) { return MonoTime(milliseconds(ms)); }

// A schedule whose handshakes are let go of by the test.
struct Fixture {
  explicit Fixture(const HandshakeScheduleOptions& options = {}) : schedule(options) {}

  Id enter(HandshakeSide side, std::int64_t now, std::int64_t deadline = 6'000) {
    return schedule.enter({.side = side, .deadline = at(deadline)}, at(now)).id;
  }
  // 0: nothing to run.
  Id pick(std::int64_t now) {
    last = schedule.pick(at(now));
    return last.run.value_or(0);
  }
  // Picks `id`, which takes `took` ms of a thread and then waits for its peer.
  void run(Id id, std::int64_t now, std::int64_t took = 1) {
    REQUIRE(pick(now) == id);
    schedule.ran(id, Step::NeedsBytes, milliseconds(took), at(now + took));
  }

  Schedule schedule;
  Schedule::Pick last;
};

}  // namespace

TEST_CASE("a later step goes before every first step, of the handshake that began first") {
  Fixture f;
  const Id a = f.enter(kServer, 0);
  const Id b = f.enter(kServer, 0);
  f.run(a, 1);
  f.run(b, 2);
  const Id waiting = f.enter(kServer, 3);
  f.schedule.ready(b);
  f.schedule.ready(a);
  EXPECT_EQ(f.schedule.steps_ready(), 2u);
  EXPECT_EQ(f.pick(4), a);
  EXPECT_EQ(f.pick(4), b);
  EXPECT_EQ(f.pick(4), waiting);
  EXPECT_EQ(f.pick(4), 0u);
}

TEST_CASE("handshakes begin in the order in which they came, and the newest first once the oldest has waited long") {
  Fixture f;
  const Id first = f.enter(kServer, 0);
  const Id second = f.enter(kServer, 10);
  const Id third = f.enter(kServer, 20);
  const Id newest = f.enter(kServer, 450);
  EXPECT_EQ(f.pick(499), first);
  EXPECT_EQ(f.pick(510), newest);
  EXPECT_EQ(f.pick(515), third);
  EXPECT_EQ(f.pick(516), second);
}

TEST_CASE("while threads are busy no more than begun_max are under way each way; what ends makes room") {
  Fixture f({.begun_max = 2});
  const Id a = f.enter(kServer, 0);
  const Id b = f.enter(kServer, 0);
  const Id c = f.enter(kServer, 0);
  f.run(a, 0, 0);
  f.run(b, 0, 0);
  EXPECT_EQ(f.pick(0), 0u);
  EXPECT_EQ(f.schedule.waiting(), 1u);
  EXPECT_EQ(f.schedule.begun(), 2u);
  f.schedule.ready(a);
  REQUIRE(f.pick(1) == a);
  f.schedule.ran(a, Step::Done, milliseconds(8), at(1));
  EXPECT_EQ(f.pick(1), c);
  f.schedule.leave(b);
  f.schedule.leave(b);
  EXPECT_EQ(f.schedule.begun(), 1u);
  f.schedule.ready(b);  // of one that has left: nothing
  EXPECT_EQ(f.schedule.steps_ready(), 0u);
}

TEST_CASE("the ways do not hold each other up, and take turns") {
  Fixture f({.begun_max = 1});
  const Id server = f.enter(kServer, 0);
  const Id server_next = f.enter(kServer, 0);
  f.run(server, 0, 0);
  const Id client = f.enter(kClient, 1);
  EXPECT_EQ(f.pick(1), client);
  f.schedule.leave(server);
  f.schedule.leave(client);
  const Id client_next = f.enter(kClient, 2);
  EXPECT_EQ(f.pick(2), server_next);
  EXPECT_EQ(f.pick(2), client_next);
}

TEST_CASE("an idle thread begins more than begun_max, faster than the pool can do them but not at once, up to sessions_max") {
  Fixture f({.threads = 2, .begun_max = 1, .sessions_max = 3});
  std::vector<Id> ids;
  for (int n = 0; n < 5; ++n) ids.push_back(f.enter(kClient, 0));
  f.run(ids[0], 0, 0);
  EXPECT_EQ(f.pick(0), 0u);
  EXPECT(f.last.again == at(1));  // 8 ms by two threads, four times as fast
  f.run(ids[1], 1, 0);
  f.schedule.ready(ids[0]);
  EXPECT_EQ(f.pick(8), ids[0]);  // there is other work
  EXPECT_EQ(f.pick(8), ids[2]);
  EXPECT_EQ(f.pick(100), 0u);
  EXPECT(f.last.again == at(1'001));  // when the second one's peer has been silent for too long
}

TEST_CASE("what is past its deadline is dropped before a thread has it, begun or not") {
  Fixture f;
  const Id begun = f.enter(kServer, 0, 100);
  f.run(begun, 0);
  const Id waiting = f.enter(kServer, 50, 150);
  const Id good = f.enter(kServer, 60, 5'000);
  f.schedule.ready(begun);
  EXPECT_EQ(f.pick(200), good);
  EXPECT_EQ(f.last.gone, std::vector<Id>{begun, waiting});
  EXPECT_EQ(f.schedule.dropped_total(), 2u);
  EXPECT_EQ(f.schedule.begun(), 1u);
  const Id late = f.enter(kServer, 300, 400);
  f.schedule.expire(late);  // its owner's timer was faster
  EXPECT_EQ(f.schedule.dropped_total(), 3u);
  f.schedule.expire(good);  // runs: not dropped
  EXPECT_EQ(f.schedule.dropped_total(), 3u);
}

TEST_CASE("what has less time left than handshakes take of late does not begin, but one that has just come always does") {
  Fixture f;
  const Id slow = f.enter(kClient, 0, 9'000);
  f.run(slow, 0);
  f.schedule.ready(slow);
  REQUIRE(f.pick(2'000) == slow);
  f.schedule.ran(slow, Step::Done, milliseconds(8), at(2'000));  // 2 s from begin to end
  const Id late = f.enter(kClient, 2'000, 6'000);  // an eighth of 4 s would do
  const Id fresh = f.enter(kClient, 5'400, 5'800);
  EXPECT_EQ(f.pick(5'510), fresh);
  EXPECT_EQ(f.pick(5'510), 0u);
  EXPECT_EQ(f.last.gone, std::vector<Id>{late});
}

TEST_CASE("when too many wait the one that has waited longest is refused") {
  Fixture f({.waiting_max = 2});
  const Id a = f.enter(kServer, 0);
  const Id b = f.enter(kServer, 1);
  const auto c = f.schedule.enter({.side = kServer, .deadline = at(6'000)}, at(2));
  EXPECT(c.refused == a);
  EXPECT_EQ(f.schedule.refused_total(), 1u);
  EXPECT_FALSE(f.schedule.enter({.side = kClient, .deadline = at(6'000)}, at(2)).refused.has_value());
  EXPECT_EQ(f.schedule.waiting(), 3u);
  EXPECT_EQ(f.schedule.dropped_total(), 0u);
  (void)b;
}

TEST_CASE("at sessions_max the one whose peer is silent for longest makes room, once that is long") {
  Fixture f({.begun_max = 2, .sessions_max = 2});
  const Id silent = f.enter(kServer, 0);
  const Id slow = f.enter(kServer, 0);
  f.run(silent, 0, 0);
  f.run(slow, 100, 0);
  const Id next = f.enter(kServer, 900);
  const Id last = f.enter(kServer, 901);
  EXPECT_EQ(f.pick(950), 0u);
  EXPECT(f.last.again == at(1'000));
  f.schedule.ready(slow);
  REQUIRE(f.pick(960) == slow);
  f.schedule.ran(slow, Step::NeedsBytes, milliseconds(8), at(961));
  EXPECT_EQ(f.pick(1'000), next);
  EXPECT_EQ(f.last.gone, std::vector<Id>{silent});
  EXPECT_EQ(f.schedule.refused_total(), 1u);
  EXPECT_EQ(f.pick(1'000), 0u);
  EXPECT(f.last.again == at(1'961));
  f.schedule.ready(silent);  // its bytes came just then
  f.schedule.leave(slow);
  EXPECT_EQ(f.pick(1'001), last);
}

TEST_CASE("time_begun counts from the begin on and ends no later than the deadline") {
  Fixture f;
  const auto enter = [&](std::int64_t time) {
    return f.schedule.enter({.side = kClient, .deadline = at(6'000), .time_begun = milliseconds(time)}, at(0)).id;
  };
  const Id brief = enter(100);
  const Id whole = enter(60'000);
  f.run(brief, 400);
  f.run(whole, 400);
  f.schedule.ready(brief);
  f.schedule.ready(whole);
  EXPECT_EQ(f.pick(501), whole);
  EXPECT_EQ(f.last.gone, std::vector<Id>{brief});
  const Id forever = f.schedule.enter({.side = kClient}, at(600)).id;
  EXPECT_EQ(f.pick(700), forever);
}

}  // namespace mesh::net
