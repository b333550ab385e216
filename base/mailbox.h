// Mailbox<T>: a bounded queue from many threads to one. It is how threads talk: a loop drains it when its wake hook has
// fired, a plain thread (storage) waits in it.
//
// Threads: push, push_answer, close and size from any thread; drain and the waits from the one consumer.
// Ownership: items are moved in and out. The mailbox outlives its producers. Items left at destruction are destroyed.
// Order: items of one producer come out in the order in which they went in.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <functional>
#include <mutex>
#include <utility>
#include <vector>

#include "base/check.h"
#include "base/clock.h"
#include "base/time.h"

namespace mesh {

template <class T>
class Mailbox {
 public:
  // wake: called by the producer whose item made the box non-empty, outside the lock, possibly by two threads at once and
  // possibly just after the consumer has drained that item: it must be safe from any thread (uv_async_send is) and do
  // nothing but wake. REQUIRES items_max > 0.
  explicit Mailbox(std::size_t items_max, std::function<void()> wake = {})
      : items_max_(items_max), wake_(std::move(wake)) {
    CHECK(items_max > 0);
  }
  Mailbox(const Mailbox&) = delete;
  Mailbox& operator=(const Mailbox&) = delete;

  // False: full or closed, and item is untouched; the caller decides what that means (refuse, drop, count).
  [[nodiscard]] bool push(T&& item) { return put(std::move(item), items_max_); }

  // Ignores the limit: for answers, whose number is bounded by requests that were themselves admitted by a limit. An answer
  // must not be lost. False only when closed.
  bool push_answer(T&& item) { return put(std::move(item), static_cast<std::size_t>(-1)); }

  // Moves everything into out (cleared first, capacity kept), without waiting. False when there was nothing.
  bool drain(std::vector<T>& out) {
    out.clear();
    const std::lock_guard lock(mutex_);
    items_.swap(out);
    return !out.empty();
  }

  // Like drain, but waits for an item. False: closed and nothing is left; what was pushed before close() still comes out.
  bool wait(std::vector<T>& out) {
    out.clear();
    std::unique_lock lock(mutex_);
    filled_.wait(lock, [this] { return !items_.empty() || closed_; });
    items_.swap(out);
    return !out.empty();
  }

  // Like wait, but returns false at the deadline as well (ask closed()).
  bool wait_until(std::vector<T>& out, MonoTime deadline) {
    if (deadline == kNever) return wait(out);
    out.clear();
    std::unique_lock lock(mutex_);
    filled_.wait_for(lock, deadline - mono_now(), [this] { return !items_.empty() || closed_; });
    items_.swap(out);
    return !out.empty();
  }

  // Refuses what comes after and wakes the consumer.
  void close() {
    {
      const std::lock_guard lock(mutex_);
      closed_ = true;
    }
    filled_.notify_all();
    if (wake_) wake_();
  }

  [[nodiscard]] bool closed() const {
    const std::lock_guard lock(mutex_);
    return closed_;
  }
  [[nodiscard]] std::size_t size() const {
    const std::lock_guard lock(mutex_);
    return items_.size();
  }
  [[nodiscard]] std::size_t items_max() const { return items_max_; }

 private:
  bool put(T&& item, std::size_t limit) {
    bool was_empty = false;
    {
      const std::lock_guard lock(mutex_);
      if (closed_ || items_.size() >= limit) return false;
      was_empty = items_.empty();
      items_.push_back(std::move(item));
    }
    if (!was_empty) return true;
    filled_.notify_one();
    if (wake_) wake_();
    return true;
  }

  const std::size_t items_max_;
  const std::function<void()> wake_;
  mutable std::mutex mutex_;
  std::condition_variable filled_;
  std::vector<T> items_;  // guarded by mutex_
  bool closed_ = false;   // guarded by mutex_
};

}  // namespace mesh
