// Monitor<T>: a value that several threads change, and threads that wait until it holds something for them. For work that
// any thread of a pool may take, in an order that the value decides. From a thread to a loop or to one other: mailbox.h.
//
// Threads: any. The value belongs to the monitor, which outlives all its users. What runs under the lock is short and
// calls back to nobody.
#pragma once

#include <condition_variable>
#include <mutex>
#include <optional>
#include <utility>

#include "base/clock.h"
#include "base/time.h"

namespace mesh {

template <class T>
class Monitor {
 public:
  template <class... Args>
  explicit Monitor(Args&&... args) : value_(std::forward<Args>(args)...) {}
  Monitor(const Monitor&) = delete;
  Monitor& operator=(const Monitor&) = delete;

  // Calls fn(T&) under the lock, returns what it returns, and lets those who wait look again.
  template <class Fn>
  auto change(Fn&& fn) {
    const Waker waker{changed_};  // wakes after the lock is gone
    const std::lock_guard lock(mutex_);
    return fn(value_);
  }

  template <class Fn>
  auto read(Fn&& fn) const {
    const std::lock_guard lock(mutex_);
    return fn(value_);
  }

  // Calls fn(T&, MonoTime now) under the lock until it returns nothing: at once, after each change, and at the time that it
  // returned last (kNever: not before a change).
  template <class Fn>
  void wait(Fn&& fn) {
    std::unique_lock lock(mutex_);
    for (;;) {
      const MonoTime now = mono_now();
      const std::optional<MonoTime> again = fn(value_, now);
      if (!again) return;
      if (*again == kNever)
        changed_.wait(lock);
      else
        changed_.wait_for(lock, *again - now);
    }
  }

 private:
  struct Waker {
    std::condition_variable& changed;
    ~Waker() { changed.notify_all(); }
  };

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  T value_;  // guarded by mutex_
};

}  // namespace mesh
