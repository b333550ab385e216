// What every daemon's process has, whatever it serves: the agent loop on the main thread, signals, the word with the
// service manager and its watchdog, metrics of the process, and one reason why it ended.
//
// Thread: the main thread, but for fail().
#pragma once

#include <memory>
#include <vector>

#include "base/function.h"
#include "base/metrics.h"
#include "base/result.h"
#include "daemon/notify.h"
#include "model/config.h"
#include "net/loop.h"
#include "net/signal.h"
#include "net/timer.h"

namespace mesh::daemon {

class Process {
 public:
  // From here on SIGINT and SIGTERM end run(), also when they come before it, and so does SIGHUP until it is said otherwise.
  Process();
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  [[nodiscard]] net::Loop& loop() { return loop_; }
  [[nodiscard]] MetricRegistry& metrics() { return metrics_; }
  [[nodiscard]] const Notifier& notifier() const { return notifier_; }

  // For SIGHUP, instead of ending.
  void set_on_hangup(UniqueFunction<void()> fn) { on_hangup_ = std::move(fn); }
  // For the first SIGINT or SIGTERM: fn sees to it that end() is called in time. The second one ends at once.
  void set_on_terminate(UniqueFunction<void()> fn) { on_terminate_ = std::move(fn); }

  // Serves until end() or fail(). The error given to fail(), if any.
  Status run();
  void end() { loop_.stop(); }
  // Any thread; the first reason counts.
  void fail(const Error& reason);

 private:
  void watch(int signal, UniqueFunction<void()> action);
  void terminate();
  void feed_watchdog();

  net::Loop loop_;
  MetricRegistry metrics_;
  Notifier notifier_;
  UniqueFunction<void()> on_hangup_;
  UniqueFunction<void()> on_terminate_;
  std::vector<std::unique_ptr<net::SignalWatcher>> signals_;
  net::Timer watchdog_;
  Status failure_;
};

// Level, format and contained faults, as configured. Errors: Invalid.
[[nodiscard]] Status set_log(const model::Config& config);

// The host's name up to the first dot.
[[nodiscard]] std::string host_name();

}  // namespace mesh::daemon
