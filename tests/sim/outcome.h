// How a run ends badly, and what is left of it to read.
//
// Each range of seeds runs in a process of its own (tests/sim/main.cc), so a violation may end it at once, from any
// depth, just as a CHECK of the product does. The trace is off in campaigns: a failing seed is run again with it.
// One thread; the trace belongs to the run in progress.
#pragma once

#include <fmt/core.h>

#include <deque>
#include <string>
#include <utility>

#include "base/time.h"

namespace mesh::sim {

inline constexpr int kViolationExit = 3;

// Prints the kept part of the trace and the violation, then ends the process with kViolationExit.
[[noreturn]] void report_violation(const std::string& what);

template <class... Args>
[[noreturn]] void violation(fmt::format_string<Args...> format, Args&&... args) {
  report_violation(fmt::format(format, std::forward<Args>(args)...));
}

// The last lines of what happened, with virtual times.
class Trace {
 public:
  enum class Mode : std::uint8_t { Off, Tail, All };  // Tail: printed on a violation; All: printed as it happens

  void start(Mode mode, std::size_t lines_max) {
    mode_ = mode;
    lines_max_ = lines_max;
    lines_.clear();
  }
  [[nodiscard]] bool on() const { return mode_ != Mode::Off; }
  void add(MonoTime when, std::string line);
  void print_tail();

 private:
  Mode mode_ = Mode::Off;
  std::size_t lines_max_ = 0;
  std::deque<std::string> lines_;
};

[[nodiscard]] Trace& trace();

}  // namespace mesh::sim

// TRACE(queue, "format", ...): nothing is formatted unless the trace is on.
#define TRACE(queue, ...)                                                                         \
  do {                                                                                            \
    if (::mesh::sim::trace().on()) ::mesh::sim::trace().add((queue).now(), fmt::format(__VA_ARGS__)); \
  } while (false)
