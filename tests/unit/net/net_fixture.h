// What the tests of net/ share: a bounded wait for an event of a loop, and a stream observer that records.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "base/result.h"
#include "net/loop.h"
#include "net/tcp.h"
#include "tests/test.h"

namespace mesh::net {

inline constexpr Duration kTestPatience = seconds(10);  // only a failing test waits so long

template <class Condition>
bool wait_for(Loop& loop, Condition condition) {
  return loop.run_until(condition, kTestPatience);
}

// Lets everything that is ready happen.
inline void settle(Loop& loop, int turns = 5) {
  for (int n = 0; n < turns; ++n) {
    bool reached = false;
    loop.post([&reached] { reached = true; });
    REQUIRE(wait_for(loop, [&reached] { return reached; }));
  }
}

struct RecordingObserver final : StreamObserver {
  void on_data(ByteView data) override { received.append(data); }
  void on_end() override { ended = true; }
  void on_writable() override { ++writable; }
  void on_failed(const Error& error) override { failure = error; }

  Bytes received;
  bool ended = false;
  int writable = 0;
  std::optional<Error> failure;
};

inline Endpoint any_loopback_port() { return Endpoint(IpAddress::loopback(), 0); }

// What every ByteStream keeps: a reset is told apart from an end. Pair: two connected streams a and b, and their observers.
template <class Pair>
void check_reset(Loop& loop, Pair& pair) {
  pair.b->resume_reading();
  pair.a->reset();
  EXPECT(pair.a->failed());
  EXPECT(pair.a->write("dropped"));
  REQUIRE(wait_for(loop, [&] { return pair.at_b.failure.has_value(); }));
  EXPECT(pair.b->reset_by_peer());
  EXPECT_FALSE(pair.at_b.ended);
  EXPECT_EQ(pair.at_b.failure->code, Code::Unavailable);
}

// Two connected streams on one loop.
struct StreamPair {
  StreamPair(Loop& loop, const Endpoint& where = any_loopback_port()) {
    auto made = StreamListener::listen(loop, where, {}, [this](std::unique_ptr<Stream> stream) { b = std::move(stream); });
    REQUIRE(made.ok());
    listener = std::move(*made);
    connect = std::make_unique<StreamConnect>(loop, listener->local(), ConnectOptions{.deadline = loop.now() + kTestPatience},
                                              [this](Result<std::unique_ptr<Stream>> result) {
                                                REQUIRE(result.ok());
                                                a = std::move(*result);
                                              });
    REQUIRE(wait_for(loop, [this] { return a != nullptr && b != nullptr; }));
    a->set_observer(&at_a);
    b->set_observer(&at_b);
  }

  RecordingObserver at_a, at_b;
  std::unique_ptr<StreamListener> listener;
  std::unique_ptr<StreamConnect> connect;
  std::unique_ptr<Stream> a, b;
};

}  // namespace mesh::net
