// Unix signals as events of a loop. Loop thread only; the process's disposition is restored when the last watcher of a
// signal is destroyed. Several watchers of one signal each hear it.
#pragma once

#include "base/function.h"
#include "base/result.h"

namespace mesh::net {

class Loop;

class SignalWatcher {
 public:
  // on_signal is called once per delivery (deliveries close together may be merged by the kernel).
  // REQUIRES number is a catchable signal.
  SignalWatcher(Loop& loop, int number, UniqueFunction<void()> on_signal);
  ~SignalWatcher();
  SignalWatcher(const SignalWatcher&) = delete;
  SignalWatcher& operator=(const SignalWatcher&) = delete;

 private:
  struct Block;
  Block* block_;
};

}  // namespace mesh::net
