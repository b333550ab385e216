// Thread: a named thread that is joined when its owner is destroyed. The only user of std::thread in the product, so that
// every thread has a name in top and gdb, and none is detached.
//
// The new thread blocks all signals: signals are the business of the thread that runs the main loop. The owner keeps the
// object; start, join and destruction happen on one thread. What body uses must outlive the object.
#pragma once

#include <string>
#include <thread>

#include "base/function.h"

namespace mesh {

class Thread {
 public:
  Thread() = default;
  // Runs body at once. The kernel keeps the first 15 bytes of the name.
  Thread(const std::string& name, UniqueFunction<void()> body);
  Thread(Thread&&) = default;
  Thread& operator=(Thread&& other) noexcept;
  ~Thread() { join(); }

  // Waits until body has returned; nothing to do if it was never started or has been joined.
  // Whoever owns the thread tells body to end first.
  void join();
  [[nodiscard]] bool running() const { return thread_.joinable(); }  // started and not joined

 private:
  std::thread thread_;
};

}  // namespace mesh
