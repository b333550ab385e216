#include "base/mailbox.h"

#include <atomic>
#include <memory>

#include "base/thread.h"
#include "tests/test.h"

namespace mesh {
namespace {

TEST_CASE("a full mailbox refuses and leaves the item with its owner") {
  Mailbox<std::unique_ptr<int>> box(1);
  EXPECT(box.push(std::make_unique<int>(1)));
  auto second = std::make_unique<int>(2);
  EXPECT_FALSE(box.push(std::move(second)));
  REQUIRE(second != nullptr);
  EXPECT(box.push_answer(std::move(second)));
  EXPECT_EQ(box.size(), 2);
}

TEST_CASE("the wake hook fires once per filling, not once per item") {
  int wakes = 0;
  Mailbox<int> box(10, [&] { ++wakes; });
  std::vector<int> got;
  EXPECT_FALSE(box.drain(got));
  EXPECT(box.push(1));
  EXPECT(box.push(2));
  EXPECT_EQ(wakes, 1);
  EXPECT(box.drain(got));
  EXPECT_EQ(got, std::vector<int>{1, 2});
  EXPECT(box.push(3));
  EXPECT_EQ(wakes, 2);
}

TEST_CASE("a closed mailbox gives out what it holds and then ends the waiter") {
  Mailbox<int> box(10);
  EXPECT(box.push(1));
  box.close();
  EXPECT_FALSE(box.push(2));
  std::vector<int> got;
  EXPECT(box.wait(got));
  EXPECT_EQ(got, std::vector<int>{1});
  EXPECT_FALSE(box.wait(got));
  EXPECT(box.closed());
}

TEST_CASE("a wait ends at its deadline") {
  Mailbox<int> box(10);
  std::vector<int> got;
  EXPECT_FALSE(box.wait_until(got, mono_now()));
  EXPECT_FALSE(box.closed());
}

TEST_CASE("items of several threads all arrive, each producer's in order") {
  constexpr int kProducers = 4, kItems = 5000;
  struct Item {
    int producer, number;
  };
  Mailbox<Item> box(64);
  std::atomic<int> running{kProducers};
  std::vector<Thread> producers;
  for (int p = 0; p < kProducers; ++p)
    producers.emplace_back("producer", [&box, &running, p] {
      for (int n = 0; n < kItems;)
        if (box.push(Item{p, n})) ++n;
      if (running.fetch_sub(1) == 1) box.close();
    });
  std::vector<int> next(kProducers, 0);
  std::vector<Item> got;
  bool ordered = true;
  while (box.wait(got))
    for (const Item& item : got) ordered &= item.number == next[static_cast<std::size_t>(item.producer)]++;
  EXPECT(ordered);
  for (int n : next) EXPECT_EQ(n, kItems);
}

TEST_CASE("a thread runs its body, has its name and is joined by its owner") {
  std::string name(16, '\0');
  {
    Thread thread("a-name-far-too-long", [&] { pthread_getname_np(pthread_self(), name.data(), name.size()); });
    EXPECT(thread.running());
  }
  EXPECT_EQ(std::string(name.c_str()), "a-name-far-too-");
}

}  // namespace
}  // namespace mesh
