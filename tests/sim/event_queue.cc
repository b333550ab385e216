#include "tests/sim/event_queue.h"

#include <algorithm>

#include "tests/sim/outcome.h"

namespace mesh::sim {
namespace {
// A run of 40 virtual seconds takes about a hundred thousand; far beyond that something feeds itself.
constexpr std::uint64_t kActionsMax = 20'000'000;
}  // namespace

void EventQueue::at(MonoTime when, Action action) {
  heap_.push_back(Event{std::max(when, now_), order_++, std::move(action)});
  std::push_heap(heap_.begin(), heap_.end(), later);
}

void EventQueue::run_until(MonoTime until) {
  while (!heap_.empty() && heap_.front().when <= until) {
    std::pop_heap(heap_.begin(), heap_.end(), later);
    Event event = std::move(heap_.back());
    heap_.pop_back();
    now_ = event.when;
    if (++actions_total_ > kActionsMax) violation("no end: {} actions", actions_total_);
    event.action();
  }
  now_ = std::max(now_, until);
}

}  // namespace mesh::sim
