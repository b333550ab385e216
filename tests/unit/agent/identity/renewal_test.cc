#include "agent/identity/renewal.h"

#include <algorithm>

#include "tests/test.h"

namespace mesh::agent {
namespace {

using Subjects = std::vector<std::string>;
constexpr Duration kDay = hours(24);
constexpr WallTime kToday{hours(500'000)};

struct Rig {
  RenewalPlan plan{Rng(1)};
  TwoClocks now{MonoTime(hours(1)), kToday};

  void pass(Duration time) {
    now.mono += time;
    now.wall += time;
  }
  // As servers sign: seven days, backdated ten minutes.
  void got(const std::string& subject) {
    plan.on_certificate(now, subject, {now.wall - minutes(10), now.wall + 7 * kDay});
  }
  Subjects due() { return plan.take_due(now); }
};

TEST_CASE("what has no certificate is asked for at once and once") {
  Rig rig;
  EXPECT(rig.plan.next_deadline(rig.now) == kNever);
  rig.plan.want("web");
  EXPECT(rig.plan.next_deadline(rig.now) == rig.now.mono);
  EXPECT(rig.due() == Subjects{"web"});
  EXPECT(rig.due().empty());
  EXPECT(rig.plan.next_deadline(rig.now) == kNever);
}

TEST_CASE("a certificate is renewed when six of its seven days remain, not all at one time") {
  std::vector<Duration> times;
  for (std::uint64_t seed = 1; seed <= 50; ++seed) {
    Rig rig{RenewalPlan(Rng(seed))};
    rig.plan.want("web");
    (void)rig.due();
    rig.got("web");
    Duration waited{};
    while (rig.due().empty()) {
      rig.pass(minutes(1));
      waited += minutes(1);
    }
    times.push_back(waited);
  }
  std::sort(times.begin(), times.end());
  EXPECT(times.front() >= hours(18));
  EXPECT(times.back() <= kDay);
  EXPECT(times.back() - times.front() >= hours(3));
}

TEST_CASE("failures are tried again ever later, a success forgets them") {
  Rig rig;
  rig.plan.want("web");
  Duration longest{};
  for (int i = 0; i < 20; ++i) {
    REQUIRE(rig.due() == Subjects{"web"});
    rig.plan.on_failed(rig.now, "web");
    const Duration wait = rig.plan.next_deadline(rig.now) - rig.now.mono;
    EXPECT(wait >= kRenewalBackoffMin / 2);
    EXPECT(wait <= kRenewalBackoffMax);
    longest = std::max(longest, wait);
    EXPECT(rig.due().empty());
    rig.pass(wait);
  }
  EXPECT(longest > kRenewalBackoffMax / 2);
  REQUIRE(!rig.due().empty());
  rig.got("web");
  rig.pass(kDay);
  REQUIRE(!rig.due().empty());
  rig.plan.on_failed(rig.now, "web");
  EXPECT(rig.plan.next_deadline(rig.now) - rig.now.mono <= kRenewalBackoffMin);
}

TEST_CASE("only so many are asked for at a time, those without a certificate first, then the oldest") {
  Rig rig;
  for (const char* name : {"a", "b"}) {
    rig.got(name);
    rig.pass(hours(5));
  }
  rig.pass(2 * kDay);
  for (const char* name : {"p", "q", "r"}) rig.plan.want(name);
  EXPECT(rig.due() == (Subjects{"p", "q", "r", "a"}));
  EXPECT(rig.due().empty());
  EXPECT(rig.plan.next_deadline(rig.now) == kNever);
  rig.plan.drop("q");
  EXPECT(rig.due() == Subjects{"b"});
}

TEST_CASE("answers for what was dropped meanwhile change nothing") {
  Rig rig;
  rig.plan.want("web");
  (void)rig.due();
  rig.plan.drop("web");
  rig.plan.on_failed(rig.now, "web");
  EXPECT(rig.plan.next_deadline(rig.now) == kNever);
}

TEST_CASE("a clock that jumps ahead renews within the look interval, one that jumps back delays no retry") {
  Rig rig;
  rig.got("web");
  EXPECT(rig.plan.next_deadline(rig.now) - rig.now.mono <= kRenewalLookInterval);
  rig.pass(kRenewalLookInterval);
  rig.now.wall += 3 * kDay;
  REQUIRE(rig.due() == Subjects{"web"});
  rig.plan.on_failed(rig.now, "web");
  rig.now.wall -= hours(1);
  rig.now.mono += kRenewalBackoffMin;
  EXPECT(rig.due() == Subjects{"web"});
}

TEST_CASE("a certificate that is expired or lives for a moment is not asked for in a tight loop") {
  Rig rig;
  const Validity expired{rig.now.wall - kDay, rig.now.wall - hours(1)};
  rig.plan.on_certificate(rig.now, "web", expired);  // from the disk
  REQUIRE(rig.due() == Subjects{"web"});
  rig.plan.on_certificate(rig.now, "web", expired);  // from a server
  EXPECT(rig.due().empty());
  EXPECT(rig.plan.next_deadline(rig.now) == rig.now.mono + kRenewalIntervalMin);
  rig.pass(kRenewalIntervalMin);
  REQUIRE(rig.due() == Subjects{"web"});
  rig.plan.on_certificate(rig.now, "web", {rig.now.wall, rig.now.wall});
  EXPECT(rig.due().empty());
}

}  // namespace
}  // namespace mesh::agent
