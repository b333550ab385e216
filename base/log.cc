#include "base/log.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "base/check.h"
#include "base/clock.h"

namespace mesh {
namespace {

std::atomic<LogFormat> format_now{LogFormat::Text};
std::atomic<LogSink*> sink_now{nullptr};
std::atomic<std::uint64_t> lines_total{0};
std::atomic<std::uint64_t> suppressed_total{0};
std::atomic<std::uint64_t> dropped_total{0};

// One write(2) per line, so that lines of two threads never mix (they are shorter than a pipe's atomic size or go to a
// file opened for appending). A full pipe whose reader hangs blocks here: daemon/ has a LogWriter (log_writer.h).
void write_stderr(std::string_view line) {
  std::string with_newline(line);
  with_newline.push_back('\n');
  ssize_t n = -1;
  do n = ::write(STDERR_FILENO, with_newline.data(), with_newline.size());
  while (n < 0 && errno == EINTR);
}

void log_contained(const CheckSite& site, std::string_view message) {
  LOG_WARN("contained fault", {"at", fmt::format("{}:{}", site.file, site.line)}, {"check", site.condition},
           {"detail", message});
}

}  // namespace

std::string_view log_level_name(LogLevel level) {
  switch (level) {
    case LogLevel::Debug: return "debug";
    case LogLevel::Info: return "info";
    case LogLevel::Warn: return "warn";
    case LogLevel::Error: return "error";
  }
  return "unknown";
}

Result<LogLevel> parse_log_level(std::string_view name) {
  for (LogLevel level : {LogLevel::Debug, LogLevel::Info, LogLevel::Warn, LogLevel::Error})
    if (name == log_level_name(level)) return level;
  return error(Code::Invalid, "log level \"{}\" is not one of debug, info, warn, error", name);
}

Result<LogFormat> parse_log_format(std::string_view name) {
  if (name == "text") return LogFormat::Text;
  if (name == "json") return LogFormat::Json;
  return error(Code::Invalid, "log format \"{}\" is not one of text, json", name);
}

void set_log_level(LogLevel level) { log_detail::level_min.store(level, std::memory_order_relaxed); }
void set_log_format(LogFormat format) { format_now.store(format, std::memory_order_relaxed); }
LogSink* set_log_sink(LogSink* sink) { return sink_now.exchange(sink, std::memory_order_acq_rel); }
void send_contained_faults_to_log() { set_contain_sink(&log_contained); }

LogCounts log_counts() {
  return {.lines_total = lines_total.load(std::memory_order_relaxed),
          .suppressed_total = suppressed_total.load(std::memory_order_relaxed),
          .dropped_total = dropped_total.load(std::memory_order_relaxed)};
}

bool LogSite::admit(std::int64_t second, std::uint64_t& suppressed_since) {
  if (second_.exchange(second, std::memory_order_relaxed) != second) lines_.store(0, std::memory_order_relaxed);
  if (lines_.fetch_add(1, std::memory_order_relaxed) >= kLogBurst) {
    suppressed_.fetch_add(1, std::memory_order_relaxed);
    return false;
  }
  suppressed_since = suppressed_.exchange(0, std::memory_order_relaxed);
  return true;
}

namespace log_detail {

constinit std::atomic<LogLevel> level_min{LogLevel::Info};

void count_dropped() { dropped_total.fetch_add(1, std::memory_order_relaxed); }

void write(LogSite& site, LogLevel level, std::string_view message, std::initializer_list<LogField> fields) {
  const auto second = duration_cast<seconds>(mono_now().time_since_epoch()).count();
  std::uint64_t suppressed = 0;
  if (!site.admit(second, suppressed)) {
    suppressed_total.fetch_add(1, std::memory_order_relaxed);
    return;
  }
  lines_total.fetch_add(1, std::memory_order_relaxed);
  const LogLine line{.level = level, .message = message, .time = wall_now(), .suppressed = suppressed};
  const std::string text = format_now.load(std::memory_order_relaxed) == LogFormat::Text
                               ? format_log_text(line, fields)
                               : format_log_json(line, fields);
  if (LogSink* sink = sink_now.load(std::memory_order_acquire); sink != nullptr) {
    sink->write(level, text);
  } else {
    write_stderr(text);
  }
}

}  // namespace log_detail
}  // namespace mesh
