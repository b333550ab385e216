#include "server/membership_plan.h"

#include "tests/test.h"

namespace mesh::server {
namespace {

using Kind = raft::MembershipChange::Kind;
using Step = MembershipStep::Kind;

constexpr raft::ServerId s(std::uint64_t id) { return raft::ServerId(id); }

// A settled cluster at time 100 s, led by server 1, in which everyone has everything and was heard of just now.
struct Cluster {
  explicit Cluster(std::vector<std::uint64_t> voters, std::vector<std::uint64_t> learners = {}) {
    view.self = s(1);
    view.now = MonoTime(seconds(100));
    view.settled = true;
    view.last = raft::Index(1000);
    for (const std::uint64_t id : voters) add(id, true);
    for (const std::uint64_t id : learners) add(id, false);
  }
  void add(std::uint64_t id, bool voter) {
    (voter ? view.configuration.voters : view.configuration.learners).push_back(s(id));
    view.servers[s(id)] = true;
    if (id == 1) return;
    raft::FollowerView seen;
    seen.id = s(id);
    seen.voter = voter;
    seen.state = raft::FollowerView::State::Replicate;
    seen.match = view.last;
    seen.heard = view.now;
    view.followers.push_back(seen);
  }
  raft::FollowerView& follower(std::uint64_t id) {
    for (raft::FollowerView& each : view.followers)
      if (each.id == s(id)) return each;
    CHECK(false, "no follower {}", id);
  }
  void silence(std::uint64_t id) { follower(id).heard = view.now - seconds(10); }
  void wait(Duration time) {
    view.now += time;
    for (raft::FollowerView& each : view.followers)
      if (view.now - each.heard <= time) each.heard = view.now;
  }
  MembershipStep next() { return plan.next(view); }

  MembershipView view;
  MembershipPlan plan;
};

void expect_change(const MembershipStep& step, Kind kind, std::uint64_t server) {
  REQUIRE(step.kind == Step::Change);
  EXPECT(step.change.kind == kind);
  EXPECT_EQ(step.change.server, s(server));
}

TEST_CASE("a cluster that is as the catalog says changes nothing") {
  Cluster c({1, 2, 3});
  EXPECT(c.next().kind == Step::None);
  EXPECT_EQ(c.next().held_back, "");
}

TEST_CASE("a server without a place in Raft becomes a learner as soon as its address is known") {
  Cluster c({1});
  c.view.servers[s(2)] = false;
  EXPECT(c.next().kind == Step::None);
  c.view.servers[s(2)] = true;
  expect_change(c.next(), Kind::AddLearner, 2);
}

TEST_CASE("nothing changes before the last change and an entry of the own term are committed, or before there is a row") {
  Cluster c({1});
  c.view.servers[s(2)] = true;
  c.view.settled = false;
  EXPECT(c.next().kind == Step::None);
  c.view.settled = true;
  c.view.servers.clear();
  EXPECT(c.next().kind == Step::None);
}

TEST_CASE("a learner is promoted once it has been close to the end for a while without a break") {
  Cluster c({1}, {2});
  c.follower(2).match = raft::Index(100);
  EXPECT(c.next().kind == Step::None);
  c.wait(seconds(5));
  EXPECT(c.next().kind == Step::None);
  c.follower(2).match = raft::Index(1000 - MembershipPlan::kCaughtUpLag);
  EXPECT(c.next().kind == Step::None);  // from now
  c.wait(MembershipPlan::kStableTime - milliseconds(1));
  EXPECT(c.next().kind == Step::None);
  SUBCASE("and stayed so") {
    c.wait(milliseconds(1));
    expect_change(c.next(), Kind::Promote, 2);
  }
  SUBCASE("but not when it fell behind meanwhile") {
    c.view.last = raft::Index(2000);
    EXPECT(c.next().kind == Step::None);
    c.view.last = raft::Index(1000);
    c.wait(milliseconds(1));
    EXPECT(c.next().kind == Step::None);
  }
  SUBCASE("but not while its log is damaged, it is silent, or receives a snapshot") {
    c.wait(milliseconds(1));
    SUBCASE("damaged") { c.follower(2).damaged = true; }
    SUBCASE("silent") { c.silence(2); }
    SUBCASE("snapshot") { c.follower(2).state = raft::FollowerView::State::Snapshot; }
    EXPECT(c.next().kind == Step::None);
  }
  SUBCASE("but not when leadership began anew") {
    c.plan.reset();
    c.wait(milliseconds(1));
    EXPECT(c.next().kind == Step::None);
  }
}

TEST_CASE("a member of Raft whose row is gone is removed, before anything else is done") {
  Cluster c({1, 2, 3}, {4});
  c.view.servers[s(5)] = true;
  c.next();
  c.wait(seconds(1));
  SUBCASE("a voter") {
    c.view.servers.erase(s(2));
    expect_change(c.next(), Kind::Remove, 2);
  }
  SUBCASE("a voter that is dead, which cannot be asked any more") {
    c.view.servers.erase(s(2));
    c.silence(2);
    expect_change(c.next(), Kind::Remove, 2);
  }
  SUBCASE("a learner") {
    c.view.servers.erase(s(4));
    expect_change(c.next(), Kind::Remove, 4);
  }
}

TEST_CASE("a server that leaves goes out of Raft while its row stands, and is not taken in again") {
  Cluster c({1, 2, 3}, {4});
  SUBCASE("a voter") {
    c.view.leaving = s(2);
    EXPECT_FALSE(is_out(c.view, s(2)));
    expect_change(c.next(), Kind::Remove, 2);
    c.view.configuration.voters = {s(1), s(3)};
    c.view.settled = false;
    EXPECT_FALSE(is_out(c.view, s(2)));  // the next leader may not know of it
    c.view.settled = true;
    EXPECT(is_out(c.view, s(2)));
    EXPECT(c.next().kind == Step::None);
    c.view.leaving.reset();  // its row was not ended after all
    expect_change(c.next(), Kind::AddLearner, 2);
  }
  SUBCASE("a learner, which is not promoted meanwhile") {
    c.next();
    c.wait(MembershipPlan::kStableTime);
    c.view.leaving = s(4);
    expect_change(c.next(), Kind::Remove, 4);
  }
  SUBCASE("the leader, after it has handed over") {
    c.view.leaving = s(1);
    EXPECT(c.next().kind == Step::HandOver);
  }
}

TEST_CASE("a removal that would leave no majority of voters that answer waits, and says why") {
  Cluster c({1, 2, 3});
  c.silence(2);
  c.view.servers.erase(s(3));  // alive: without it only server 1 of two answers
  EXPECT(c.next().kind == Step::None);
  EXPECT(c.next().held_back.find("only 1 of the 2 others answer") != std::string::npos);
  c.view.servers.erase(s(2));  // the dead one can go, and then the other
  expect_change(c.next(), Kind::Remove, 2);
}

TEST_CASE("a leader that has only begun counts whom it has heard itself, and asks to be asked again") {
  Cluster c({1, 2, 3});
  c.view.led_since = c.view.now;  // Raft begins with everybody heard just then
  EXPECT(check_may_leave(c.view, s(3)).error().code == Code::Unavailable);
  c.wait(milliseconds(10));
  c.follower(2).heard = c.view.led_since;  // 3 has answered
  EXPECT(check_may_leave(c.view, s(2)).ok());
  EXPECT(check_may_leave(c.view, s(3)).error().code == Code::Unavailable);
  c.wait(MembershipPlan::kLiveWindow);
  c.follower(2).heard = c.view.led_since;
  EXPECT(check_may_leave(c.view, s(3)).error().code == Code::Precondition);
}

TEST_CASE("what waits does not hold up a learner that could mend it") {
  Cluster c({1, 2, 3}, {4});
  c.silence(2);
  c.view.servers.erase(s(3));
  c.next();
  c.wait(MembershipPlan::kStableTime);
  c.silence(2);
  expect_change(c.next(), Kind::Promote, 4);
}

TEST_CASE("the last voter stays, whatever the catalog says") {
  Cluster c({1});
  c.view.servers.erase(s(1));
  c.view.servers[s(2)] = false;
  EXPECT(c.next().kind == Step::None);
  EXPECT(c.next().held_back.find("the only one that votes") != std::string::npos);
}

TEST_CASE("a leader whose own row is gone hands over: the next leader removes it") {
  Cluster c({1, 2, 3});
  c.view.servers.erase(s(1));
  EXPECT(c.next().kind == Step::HandOver);
}

TEST_CASE("who asks whether a server can be spared gets the reason why not") {
  Cluster c({1, 2, 3}, {4});
  EXPECT(check_dispensable(c.view, s(1)).ok());
  EXPECT(check_dispensable(c.view, s(2)).ok());
  EXPECT(check_dispensable(c.view, s(4)).ok());
  EXPECT(check_dispensable(c.view, s(9)).ok());
  c.silence(2);
  EXPECT(check_dispensable(c.view, s(2)).ok());
  EXPECT(outcome_of(check_dispensable(c.view, s(3))) == Code::Precondition);
  EXPECT(outcome_of(check_dispensable(c.view, s(1))) == Code::Precondition);
  EXPECT(check_dispensable(Cluster({1, 2}).view, s(2)).ok());
}

}  // namespace
}  // namespace mesh::server
