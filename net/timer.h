// A one-shot timer on a loop. Loop thread only. Millisecond resolution, never early. Destroying or stopping it
// cancels; it may be started again, also from its own callback, and may be destroyed there.
//
// Cost: stopping, and pushing a deadline further back (an idle timeout renewed by each request), only store the time.
#pragma once

#include <memory>

#include "base/function.h"
#include "base/time.h"

namespace mesh::net {

class Loop;

class Timer {
 public:
  Timer(Loop& loop, UniqueFunction<void()> on_fire);
  ~Timer();
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;

  // Replaces any earlier start. kNever stops it. A time in the past fires on the next turn.
  void start_at(MonoTime deadline);
  void start_after(Duration delay);
  void stop();
  // kNever when not started.
  [[nodiscard]] MonoTime deadline() const { return deadline_; }

 private:
  struct Block;
  void arm();
  void fired();

  Loop& loop_;
  UniqueFunction<void()> on_fire_;
  MonoTime deadline_ = kNever;
  MonoTime armed_for_ = kNever;
  Block* block_;
};

}  // namespace mesh::net
