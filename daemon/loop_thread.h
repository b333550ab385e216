// A loop and the thread that runs it. What belongs to the loop is made before start() and destroyed after stop(), both
// on the owner's thread, while no thread runs the loop.
//
// Thread: the owner's, but for loop().post().
#pragma once

#include <string>

#include "base/thread.h"
#include "net/loop.h"

namespace mesh::daemon {

class LoopThread {
 public:
  explicit LoopThread(std::string name) : loop_(std::move(name)) {}
  ~LoopThread() { stop(); }
  LoopThread(const LoopThread&) = delete;
  LoopThread& operator=(const LoopThread&) = delete;

  [[nodiscard]] net::Loop& loop() { return loop_; }
  [[nodiscard]] bool running() const { return thread_.running(); }
  void start() {
    thread_ = Thread(loop_.name(), [this] { loop_.run(); });
  }
  // The callback in progress ends, then the thread; nothing to do if it does not run.
  void stop() {
    if (!thread_.running()) return;
    loop_.stop();
    thread_.join();
  }

 private:
  net::Loop loop_;
  Thread thread_;
};

}  // namespace mesh::daemon
