// Tells the service manager how the daemon is doing (sd_notify's protocol: one datagram to $NOTIFY_SOCKET). Does nothing
// when there is no such socket. Any thread; never blocks: a datagram that the manager does not take at once is dropped.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/time.h"

namespace mesh::daemon {

class Notifier {
 public:
  // Takes NOTIFY_SOCKET and WATCHDOG_USEC out of the environment, so that programs started from here do not inherit them.
  Notifier();
  ~Notifier();
  Notifier(const Notifier&) = delete;
  Notifier& operator=(const Notifier&) = delete;

  void ready(std::string_view status) const { send("READY=1", status); }
  void status(std::string_view status) const { send("", status); }
  void reloading() const;
  void stopping() const { send("STOPPING=1", ""); }
  void watchdog() const { send("WATCHDOG=1", ""); }
  // How often the manager wants to hear from the watchdog, halved; none: it does not.
  [[nodiscard]] std::optional<Duration> watchdog_interval() const { return watchdog_interval_; }

 private:
  void send(std::string_view assignment, std::string_view status) const;

  int socket_ = -1;
  std::string address_;  // as in sockaddr_un: an abstract one begins with NUL
  std::optional<Duration> watchdog_interval_;
};

}  // namespace mesh::daemon
