#include "net/loop.h"

#include <csignal>
#include <vector>

#include "base/thread.h"
#include "net/signal.h"
#include "net/timer.h"
#include "tests/unit/net/net_fixture.h"

namespace mesh::net {

TEST_CASE("posted functions run on the loop's thread in order of arrival") {
  Loop loop("test");
  std::vector<int> order;
  bool on_thread = true;
  Thread thread("loop", [&loop] { loop.run(); });
  for (int n = 0; n < 100; ++n)
    loop.post([&order, &on_thread, &loop, n] {
      order.push_back(n);
      on_thread = on_thread && loop.on_thread();
    });
  loop.stop();
  thread.join();
  EXPECT_EQ(order.size(), 100u);
  EXPECT(on_thread);
  for (std::size_t n = 0; n < order.size(); ++n) EXPECT_EQ(order[n], static_cast<int>(n));
}

TEST_CASE("posting to a loop that is gone destroys the function uncalled") {
  LoopRef ref;
  bool called = false;
  auto witness = std::make_shared<int>(0);
  {
    Loop loop("short");
    ref = loop.ref();
    EXPECT(ref.post([witness, &called] { called = true; }));
  }
  EXPECT_FALSE(ref.post([witness, &called] { called = true; }));
  EXPECT_FALSE(called);
  EXPECT_EQ(witness.use_count(), 1);
}

TEST_CASE("deferred work runs after the callback in progress and before the loop waits") {
  Loop loop("test");
  std::vector<int> order;
  loop.post([&] {
    loop.defer([&] {
      order.push_back(2);
      loop.defer([&] { order.push_back(3); });
    });
    order.push_back(1);
  });
  REQUIRE(wait_for(loop, [&] { return order.size() == 3; }));
  EXPECT_EQ(order, std::vector<int>({1, 2, 3}));
}

TEST_CASE("run_until ends at once when a timer or deferred work was what it waited for") {
  Loop loop("test");
  const MonoTime start = loop.now();
  bool done = false;
  loop.defer([&] { done = true; });
  REQUIRE(wait_for(loop, [&] { return done; }));
  done = false;
  Timer timer(loop, [&] { loop.defer([&] { done = true; }); });
  timer.start_after({});
  REQUIRE(wait_for(loop, [&] { return done; }));
  EXPECT_LT(loop.now() - start, kTestPatience / 2);
}

TEST_CASE("run_until ends at its time") {
  Loop loop("test");
  EXPECT_FALSE(loop.run_until([] { return false; }, milliseconds(5)));
}

TEST_CASE("timers fire in order, never early, and not when stopped") {
  Loop loop("test");
  std::vector<int> order;
  const MonoTime begin = loop.now();
  Timer second(loop, [&] { order.push_back(2); });
  Timer first(loop, [&] { order.push_back(1); });
  Timer never(loop, [&] { order.push_back(3); });
  second.start_after(milliseconds(12));
  first.start_after(milliseconds(3));
  never.start_after(milliseconds(5));
  never.stop();
  REQUIRE(wait_for(loop, [&] { return order.size() == 2; }));
  EXPECT_GE((loop.now() - begin).count(), Duration(milliseconds(12)).count());
  EXPECT_EQ(order, std::vector<int>({1, 2}));
  EXPECT(never.deadline() == kNever);
}

TEST_CASE("a timer pushed back fires at the later time only") {
  Loop loop("test");
  int fired = 0;
  const MonoTime begin = loop.now();
  Timer timer(loop, [&] { ++fired; });
  timer.start_after(milliseconds(2));
  timer.start_after(milliseconds(15));
  REQUIRE(wait_for(loop, [&] { return fired > 0; }));
  EXPECT_GE((loop.now() - begin).count(), Duration(milliseconds(15)).count());
  settle(loop);
  EXPECT_EQ(fired, 1);
}

TEST_CASE("a timer may destroy itself and may start again in its callback") {
  Loop loop("test");
  auto name = std::make_shared<int>(0);
  std::unique_ptr<Timer> once;
  once = std::make_unique<Timer>(loop, [&once, name] {
    once.reset();
    ++*name;  // what the callback captured is still there
  });
  once->start_after(milliseconds(1));
  int rounds = 0;
  Timer* again = nullptr;
  Timer repeating(loop, [&] {
    if (++rounds < 3) again->start_after(milliseconds(1));
  });
  again = &repeating;
  repeating.start_at(loop.now() - seconds(1));
  REQUIRE(wait_for(loop, [&] { return rounds == 3 && *name == 1; }));
  EXPECT_EQ(name.use_count(), 1);
}

TEST_CASE("a signal reaches every watcher that still exists") {
  Loop loop("test");
  int heard = 0;
  auto one = std::make_unique<SignalWatcher>(loop, SIGUSR1, [&] { ++heard; });
  SignalWatcher two(loop, SIGUSR1, [&] { ++heard; });
  raise(SIGUSR1);
  REQUIRE(wait_for(loop, [&] { return heard == 2; }));
  one.reset();
  raise(SIGUSR1);
  REQUIRE(wait_for(loop, [&] { return heard == 3; }));
}

}  // namespace mesh::net
