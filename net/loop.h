// The event loop of one thread (libuv behind it). Every socket, timer and operation of net/ belongs to one Loop for
// life and is touched on its thread only; post() and LoopRef are the ways in from other threads.
//
// Rules that all of net/ keeps:
// - A completion fires once, never from inside the call that started it. Destroying the object cancels; nothing fires
//   afterwards.
// - An observer may destroy the object that is calling it (stream, timer, exchange). An object whose own method is on
//   the stack is handed to destroy_later() instead.
// - libuv's handles live in heap blocks that outlive their wrapper until libuv has closed them.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/function.h"
#include "base/time.h"

extern "C" {
struct uv_loop_s;
}

namespace mesh::net {

class Mailslot;

// How other threads reach a loop that may be gone by then. Copies are cheap; any thread.
class LoopRef {
 public:
  LoopRef() = default;
  // Queues fn for the loop's thread. False, and fn is destroyed here, if the loop no longer exists.
  bool post(UniqueFunction<void()> fn) const;

 private:
  friend class Loop;
  explicit LoopRef(std::shared_ptr<Mailslot> slot) : slot_(std::move(slot)) {}
  std::shared_ptr<Mailslot> slot_;
};

class Loop {
 public:
  // The name appears in logs and metrics. The process ignores SIGPIPE from here on.
  explicit Loop(std::string name);
  // On the loop's thread, or with no thread running it. Posted functions that have not run are destroyed, not called.
  // REQUIRES every object that belongs to this loop is destroyed first (CHECK).
  ~Loop();
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  [[nodiscard]] const std::string& name() const { return name_; }

  // Serves until stop(). The calling thread becomes the loop's thread.
  void run();
  // Any thread. run() returns after the callback in progress; what was posted before is run first.
  void stop();
  // Serves until done() is true (looked at before each wait and after each turn) or the time is over; returns done().
  // For tests and for programs such as meshctl that do one thing at a time.
  bool run_until(UniqueFunction<bool()> done, Duration at_most);

  [[nodiscard]] MonoTime now() const;  // a fresh reading of the monotonic clock
  [[nodiscard]] bool on_thread() const;  // true on the thread that last ran the loop

  // Any thread: fn runs on the loop's thread, in the order of arrival. Not for data that a
  // peer sizes: whoever posts bounds what is on its way.
  void post(UniqueFunction<void()> fn) const { (void)ref_.post(std::move(fn)); }
  [[nodiscard]] LoopRef ref() const { return ref_; }

  // Loop thread. fn runs after the callback in progress returns, before the loop waits again.
  void defer(UniqueFunction<void()> fn);
  template <class T>
  void destroy_later(std::unique_ptr<T> object) {
    defer([object = std::move(object)]() mutable { object.reset(); });
  }

  // For net/ only: the libuv loop, and the loop's read buffer that all its streams share (kReadBufferBytes, valid
  // within one callback).
  [[nodiscard]] uv_loop_s* raw();
  [[nodiscard]] char* read_buffer();
  static constexpr std::size_t kReadBufferBytes = 64 * 1024;

  // Posted functions run so far; for metrics, read on the loop's thread.
  [[nodiscard]] std::uint64_t posts_run_total() const { return posts_run_; }

 private:
  struct Handles;

  void run_posted();
  void run_deferred();
  void before_wait();

  std::string name_;
  std::unique_ptr<Handles> handles_;
  std::shared_ptr<Mailslot> slot_;
  LoopRef ref_;
  std::vector<UniqueFunction<void()>> deferred_;
  UniqueFunction<bool()>* until_ = nullptr;  // inside run_until
  std::unique_ptr<char[]> read_buffer_;
  std::uint64_t posts_run_ = 0;
  std::atomic<bool> stopping_{false};
  std::atomic<const void*> thread_{nullptr};
};

}  // namespace mesh::net
