#include "base/monitor.h"

#include <vector>

#include "base/thread.h"
#include "tests/test.h"

namespace mesh {
namespace {

TEST_CASE("threads take from a monitor what is there for them, each thing once") {
  struct Shop {
    int goods = 0;
    bool closed = false;
  };
  Monitor<Shop> shop;
  std::vector<int> taken(3);
  std::vector<Thread> threads;
  for (int& mine : taken)
    threads.emplace_back("taker", [&shop, &mine] {
      for (bool open = true; open;)
        shop.wait([&](Shop& now, MonoTime) -> std::optional<MonoTime> {
          if (now.goods == 0 && !now.closed) return kNever;
          open = now.goods != 0;
          if (open) --now.goods, ++mine;
          return std::nullopt;
        });
    });
  for (int n = 0; n < 100; ++n) shop.change([](Shop& now) { ++now.goods; });
  shop.change([](Shop& now) { now.closed = true; });
  for (Thread& thread : threads) thread.join();
  EXPECT_EQ(taken[0] + taken[1] + taken[2], 100);
  EXPECT_EQ(shop.read([](const Shop& now) { return now.goods; }), 0);
}

TEST_CASE("a wait looks again at the time that it was told") {
  Monitor<int> looks;
  std::optional<MonoTime> again;
  looks.wait([&](int& count, MonoTime now) -> std::optional<MonoTime> {
    if (++count == 1) again = now + milliseconds(1);
    if (now >= *again) return std::nullopt;
    return again;
  });
  EXPECT_GE(looks.read([](int count) { return count; }), 2);
}

}  // namespace
}  // namespace mesh
