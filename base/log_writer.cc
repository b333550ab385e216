#include "base/log_writer.h"

#include <limits.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/clock.h"

namespace mesh {
namespace {

constexpr Duration kPollMax = milliseconds(50);  // so long a stalled writer takes to notice that it shall end

}  // namespace

LogWriter::LogWriter(const LogWriterOptions& options)
    : options_(options),
      lines_(options.lines_max),
      dropped_told_(log_counts().dropped_total),
      before_(set_log_sink(this)),
      thread_("log", [this] { run(); }) {}

LogWriter::~LogWriter() {
  give_up_at_ = mono_now() + options_.drain_max;
  lines_.close();
  thread_.join();
  set_log_sink(before_);
}

void LogWriter::write(LogLevel, std::string_view line) {
  std::string text;
  text.reserve(line.size() + 1);
  text.append(line).push_back('\n');
  if (!lines_.push(std::move(text))) log_detail::count_dropped();
}

void LogWriter::run() {
  std::vector<std::string> batch;
  while (lines_.wait(batch)) {
    for (const std::string& line : batch) put(line);
    tell_dropped();
  }
}

// At most PIPE_BUF bytes at a time: pipe(7) has room for as many when poll(2) says so, and they do not mix with those of
// other writers.
void LogWriter::put(std::string_view text) {
  while (!text.empty()) {
    if (!wait_writable()) return log_detail::count_dropped();
    const ssize_t n = ::write(options_.fd, text.data(), std::min<std::size_t>(text.size(), PIPE_BUF));
    if (n < 0 && errno != EINTR && errno != EAGAIN) return log_detail::count_dropped();
    if (n > 0) text.remove_prefix(static_cast<std::size_t>(n));
  }
}

// False: the end has come and its time is over.
bool LogWriter::wait_writable() {
  pollfd wanted{.fd = options_.fd, .events = POLLOUT, .revents = 0};
  for (;;) {
    const bool ending = lines_.closed();
    const Duration left = ending ? std::clamp(give_up_at_ - mono_now(), Duration(0), kPollMax) : kPollMax;
    if (::poll(&wanted, 1, static_cast<int>(duration_cast<milliseconds>(left).count())) > 0) return true;
    if (ending && mono_now() >= give_up_at_) return false;
  }
}

void LogWriter::tell_dropped() {
  const std::uint64_t dropped = log_counts().dropped_total;
  if (dropped == dropped_told_ || lines_.closed()) return;
  LOG_WARN("log lines dropped", {"lines", dropped - dropped_told_});
  dropped_told_ = dropped;
}

}  // namespace mesh
