// One simulated process on a host of its own: it is up or down, can be paused (SIGSTOP, a stalled virtual machine), and
// reads its host's clock. What was scheduled for a process that has crashed since then never happens; what falls due
// while it is paused happens when it goes on, in order. One thread; the queue must outlive it.
#pragma once

#include <cstdint>
#include <deque>

#include "base/time.h"
#include "tests/sim/event_queue.h"
#include "tests/sim/host_clock.h"

namespace mesh::sim {

class Process {
 public:
  using Action = EventQueue::Action;

  Process(EventQueue& queue, HostClock clock) : queue_(queue), clock_(clock) {}

  [[nodiscard]] bool up() const { return up_; }
  [[nodiscard]] bool paused() const { return paused_until_ > queue_.now(); }
  [[nodiscard]] std::uint64_t incarnation() const { return incarnation_; }
  [[nodiscard]] MonoTime now() const { return clock_.shows_at(queue_.now()); }  // by the host's clock

  void start();                   // REQUIRES !up()
  void crash();                   // REQUIRES up()
  void pause(Duration duration);  // REQUIRES up(); an ongoing pause may be prolonged
  void end_pause();
  void jump_clock(Duration forward) { clock_.jump(queue_.now(), forward); }
  void drift_clock(std::int64_t drift_ppm) { clock_.drift(queue_.now(), drift_ppm); }

  void after(Duration delay, Action action) { at_true(queue_.now() + delay, std::move(action)); }  // by true time
  void at(MonoTime shown, Action action) { at_true(clock_.when_shows(shown, queue_.now()), std::move(action)); }
  void now_or_when_resumed(Action action);

 private:
  void at_true(MonoTime when, Action action);
  void resume();

  EventQueue& queue_;
  HostClock clock_;
  bool up_ = false;
  std::uint64_t incarnation_ = 0;
  MonoTime paused_until_{};
  std::deque<Action> backlog_;
};

}  // namespace mesh::sim
