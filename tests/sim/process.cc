#include "tests/sim/process.h"

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace mesh::sim {

void Process::start() {
  CHECK(!up_, "started twice");
  up_ = true;
  paused_until_ = MonoTime{};
}

void Process::crash() {
  CHECK(up_, "crashed while down");
  up_ = false;
  ++incarnation_;
  backlog_.clear();
}

void Process::pause(Duration duration) {
  CHECK(up_, "paused while down");
  paused_until_ = std::max(paused_until_, queue_.now() + duration);
  queue_.at(paused_until_, [this, mine = incarnation_] {
    if (mine == incarnation_) resume();
  });
}

void Process::end_pause() {
  if (!paused()) return;
  paused_until_ = queue_.now();
  resume();
}

void Process::resume() {
  const std::uint64_t mine = incarnation_;
  while (mine == incarnation_ && !paused() && !backlog_.empty()) {
    Action action = std::move(backlog_.front());
    backlog_.pop_front();
    action();
  }
}

void Process::at_true(MonoTime when, Action action) {
  if (when == kNever) return;
  queue_.at(when, [this, mine = incarnation_, inner = std::move(action)]() mutable {
    if (mine == incarnation_) now_or_when_resumed(std::move(inner));
  });
}

void Process::now_or_when_resumed(Action action) {
  if (!up_) return;
  if (paused() || !backlog_.empty()) {
    backlog_.push_back(std::move(action));
  } else {
    action();
  }
}

}  // namespace mesh::sim
