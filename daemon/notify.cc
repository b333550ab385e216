#include "daemon/notify.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <fmt/core.h>

#include <charconv>
#include <cstddef>
#include <cstdlib>
#include <cstring>

#include "base/clock.h"

namespace mesh::daemon {
namespace {

std::string take_variable(const char* name) {
  const char* value = getenv(name);
  const std::string text = value == nullptr ? "" : value;
  unsetenv(name);
  return text;
}

// Half of WATCHDOG_USEC, if it is meant for this process.
std::optional<Duration> watchdog_of(const std::string& microseconds_text, const std::string& pid) {
  if (!pid.empty() && pid != std::to_string(getpid())) return std::nullopt;
  std::int64_t count = 0;
  const char* end = microseconds_text.data() + microseconds_text.size();
  const auto [stop, fault] = std::from_chars(microseconds_text.data(), end, count);
  if (fault != std::errc() || stop != end || count <= 0) return std::nullopt;
  return microseconds(count) / 2;
}

}  // namespace

Notifier::Notifier() {
  address_ = take_variable("NOTIFY_SOCKET");
  const std::string interval = take_variable("WATCHDOG_USEC");
  watchdog_interval_ = watchdog_of(interval, take_variable("WATCHDOG_PID"));
  if (address_.empty() || address_.size() >= sizeof(sockaddr_un::sun_path)) return;
  if (address_.front() == '@') address_.front() = '\0';
  socket_ = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
}

Notifier::~Notifier() {
  if (socket_ >= 0) close(socket_);
}

void Notifier::reloading() const {
  // Type=notify-reload wants the time of the monotonic clock with it.
  send(fmt::format("RELOADING=1\nMONOTONIC_USEC={}", mono_now().time_since_epoch().count() / 1000), "");
}

void Notifier::send(std::string_view assignment, std::string_view status) const {
  if (socket_ < 0) return;
  std::string text(assignment);
  if (!status.empty()) text += fmt::format("{}STATUS={}", text.empty() ? "" : "\n", status);
  sockaddr_un to{};
  to.sun_family = AF_UNIX;
  std::memcpy(to.sun_path, address_.data(), address_.size());
  const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + address_.size());
  (void)sendto(socket_, text.data(), text.size(), MSG_NOSIGNAL, reinterpret_cast<const sockaddr*>(&to), size);
}

}  // namespace mesh::daemon
