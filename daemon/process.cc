#include "daemon/process.h"

#include <unistd.h>

#include <csignal>
#include <utility>

#include "base/log.h"
#include "daemon/process_metrics.h"

namespace mesh::daemon {

Process::Process() : loop_("agent"), watchdog_(loop_, [this] { feed_watchdog(); }) {
  register_process_metrics(metrics_);
  watch(SIGINT, [this] { terminate(); });
  watch(SIGTERM, [this] { terminate(); });
  struct sigaction now{};
  if (sigaction(SIGHUP, nullptr, &now) == 0 && now.sa_handler == SIG_IGN) return;  // started by nohup
  watch(SIGHUP, [this] { on_hangup_ ? on_hangup_() : end(); });
}

void Process::watch(int signal, UniqueFunction<void()> action) {
  signals_.push_back(std::make_unique<net::SignalWatcher>(loop_, signal, std::move(action)));
}

void Process::terminate() {
  notifier_.stopping();
  if (!on_terminate_) return end();
  auto gently = std::exchange(on_terminate_, {});
  gently();
}

Status Process::run() {
  feed_watchdog();
  loop_.run();
  return std::move(failure_);
}

void Process::fail(const Error& reason) {
  loop_.post([this, reason] {
    if (failure_.ok()) failure_ = reason;
    loop_.stop();
  });
}

// From the loop: a loop that hangs is what the watchdog is for.
void Process::feed_watchdog() {
  if (!notifier_.watchdog_interval()) return;
  notifier_.watchdog();
  watchdog_.start_after(*notifier_.watchdog_interval());
}

Status set_log(const model::Config& config) {
  MESH_TRY(level, parse_log_level(config.log_level));
  MESH_TRY(format, parse_log_format(config.log_format));
  set_log_level(level);
  set_log_format(format);
  send_contained_faults_to_log();
  return {};
}

std::string host_name() {
  char name[256] = {};
  if (gethostname(name, sizeof name - 1) != 0) return "localhost";
  const std::string text(name);
  return text.substr(0, text.find('.'));
}

}  // namespace mesh::daemon
