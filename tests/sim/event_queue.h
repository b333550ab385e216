// Virtual time. Everything that happens in a simulated run is an action in this queue; time moves only by taking the
// next one, and actions of one instant run in the order in which they were added. So a run depends on its seed alone.
// One thread. Actions may add actions, not run the queue.
#pragma once

#include <cstdint>
#include <vector>

#include "base/function.h"
#include "base/time.h"

namespace mesh::sim {

class EventQueue {
 public:
  using Action = UniqueFunction<void()>;

  [[nodiscard]] MonoTime now() const { return now_; }
  void at(MonoTime when, Action action);  // a time that has passed means now
  void after(Duration delay, Action action) { at(now_ + delay, std::move(action)); }

  // Runs all actions due up to and including `until`, then sets the clock to it.
  void run_until(MonoTime until);
  [[nodiscard]] std::uint64_t actions_total() const { return actions_total_; }

 private:
  struct Event {
    MonoTime when;
    std::uint64_t order;
    Action action;
  };
  static bool later(const Event& a, const Event& b) {
    return a.when != b.when ? a.when > b.when : a.order > b.order;
  }

  MonoTime now_{};
  std::uint64_t order_ = 0;
  std::uint64_t actions_total_ = 0;
  std::vector<Event> heap_;
};

}  // namespace mesh::sim
