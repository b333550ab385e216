// Structured log: one line per event, a fixed message and named fields.
//
//   LOG_INFO("agent joined", {"node", name}, {"servers", n}, {"took", elapsed});
//   text:  <6>agent joined node=host-a servers=3 took=1.250s
//   json:  {"ts":"2026-02-03T04:05:06.789Z","level":"info","msg":"agent joined","node":"host-a","servers":3,"took":1.25}
//
// Message and keys are literals, so that lines can be found again; everything that varies is a field. Values are text,
// integers, floating point, bool, Duration (seconds), Strong<> and Error (its message).
//
// Limits: a value is cut at kLogValueBytesMax, a line at kLogLineBytesMax (cut values end in "..."). Each place in the code
// may write kLogBurst lines in a second; what it says beyond that is counted and told by its next line (suppressed=N).
// Control characters, quotes and invalid UTF-8 are escaped: a peer cannot forge a line.
//
// Any thread. A disabled level costs one load and evaluates no argument. Cores do not log (lint); their drivers do.
// The level, the format and the sink belong to the process, like stderr: the one exception to "no globals" besides the
// contained-fault count, because a log call must work from everywhere, before the first and after the last object.
#pragma once

#include <atomic>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <type_traits>
#include <variant>

#include "base/result.h"
#include "base/strong.h"
#include "base/time.h"

namespace mesh {

inline constexpr std::size_t kLogValueBytesMax = 1024;
inline constexpr std::size_t kLogLineBytesMax = 8192;
inline constexpr std::uint32_t kLogBurst = 20;  // lines per place and second

enum class LogLevel : std::uint8_t { Debug, Info, Warn, Error };
enum class LogFormat : std::uint8_t { Text, Json };

[[nodiscard]] std::string_view log_level_name(LogLevel level);
[[nodiscard]] Result<LogLevel> parse_log_level(std::string_view name);
[[nodiscard]] Result<LogFormat> parse_log_format(std::string_view name);

// Where finished lines go. write() is called from any thread, several at once; line has no newline and is borrowed until
// the call returns. It must not log and should not block: data loops call it.
class LogSink {
 public:
  virtual ~LogSink() = default;
  virtual void write(LogLevel level, std::string_view line) = 0;
};

void set_log_level(LogLevel level);    // any time
void set_log_format(LogFormat format); // any time
// nullptr: stderr, unbuffered (the default). Returns the one before. A sink must outlive every thread that may log:
// set before threads start, reset after they are joined.
LogSink* set_log_sink(LogSink* sink);

// Reports failed CONTAIN checks as log lines.
void send_contained_faults_to_log();

struct LogCounts {
  std::uint64_t lines_total = 0;
  std::uint64_t suppressed_total = 0;  // by the limit per place
  std::uint64_t dropped_total = 0;     // by a sink that could not take them
};
[[nodiscard]] LogCounts log_counts();

// A named value, borrowed until the log call returns.
class LogField {
 public:
  using Value = std::variant<std::string_view, std::int64_t, std::uint64_t, double, bool, Duration>;

  template <class T>
  LogField(std::string_view key, const T& value) : key_(key), value_(convert(value)) {}

  [[nodiscard]] std::string_view key() const { return key_; }
  [[nodiscard]] const Value& value() const { return value_; }

 private:
  static Value convert(std::string_view text) { return text; }
  static Value convert(const Error& error) { return std::string_view(error.message); }
  static Value convert(Duration d) { return d; }
  template <class Tag, class Int>
  static Value convert(Strong<Tag, Int> v) {
    return convert(v.value());
  }
  template <class T>
    requires std::is_arithmetic_v<T>
  static Value convert(T v) {
    if constexpr (std::is_same_v<T, bool>) return v;
    else if constexpr (std::is_floating_point_v<T>) return static_cast<double>(v);
    else if constexpr (std::is_signed_v<T>) return static_cast<std::int64_t>(v);
    else return static_cast<std::uint64_t>(v);
  }

  std::string_view key_;
  Value value_;
};

// One place in the code that logs, with its allowance for the running second. Static storage, made by the macros.
class LogSite {
 public:
  constexpr LogSite(const char* file, int line) : file_(file), line_(line) {}

  // True if a line may be written at the given second; suppressed_since receives how many were not, since the last that was.
  bool admit(std::int64_t second, std::uint64_t& suppressed_since);

  [[nodiscard]] const char* file() const { return file_; }
  [[nodiscard]] int line() const { return line_; }

 private:
  const char* file_;
  int line_;
  std::atomic<std::int64_t> second_{-1};
  std::atomic<std::uint32_t> lines_{0};
  std::atomic<std::uint64_t> suppressed_{0};
};

namespace log_detail {
extern std::atomic<LogLevel> level_min;
void count_dropped();
void write(LogSite& site, LogLevel level, std::string_view message, std::initializer_list<LogField> fields);
}  // namespace log_detail

[[nodiscard]] inline bool log_enabled(LogLevel level) {
  return level >= log_detail::level_min.load(std::memory_order_relaxed);
}

struct LogLine {
  LogLevel level;
  std::string_view message;
  WallTime time;
  std::uint64_t suppressed;
};
// A line as a sink receives it; pure, for tests and sinks of one's own.
[[nodiscard]] std::string format_log_text(const LogLine& line, std::initializer_list<LogField> fields);
[[nodiscard]] std::string format_log_json(const LogLine& line, std::initializer_list<LogField> fields);

}  // namespace mesh

#define MESH_LOG(level, message, ...)                                                            \
  do {                                                                                           \
    if (::mesh::log_enabled(level)) {                                                            \
      static constinit ::mesh::LogSite mesh_log_site(__FILE__, __LINE__);                        \
      ::mesh::log_detail::write(mesh_log_site, level, message, {__VA_ARGS__});                   \
    }                                                                                            \
  } while (false)
#define LOG_DEBUG(...) MESH_LOG(::mesh::LogLevel::Debug, __VA_ARGS__)
#define LOG_INFO(...) MESH_LOG(::mesh::LogLevel::Info, __VA_ARGS__)
#define LOG_WARN(...) MESH_LOG(::mesh::LogLevel::Warn, __VA_ARGS__)
#define LOG_ERROR(...) MESH_LOG(::mesh::LogLevel::Error, __VA_ARGS__)
