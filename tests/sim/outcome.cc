#include "tests/sim/outcome.h"

#include <unistd.h>

#include <cstdio>

namespace mesh::sim {

Trace& trace() {
  static Trace the_trace;
  return the_trace;
}

void Trace::add(MonoTime when, std::string line) {
  const auto micros = duration_cast<microseconds>(when.time_since_epoch()).count();
  std::string text = fmt::format("{:>4}.{:06} {}", micros / 1'000'000, micros % 1'000'000, line);
  if (mode_ == Mode::All) {
    fmt::print("{}\n", text);
    return;
  }
  if (lines_.size() == lines_max_) lines_.pop_front();
  lines_.push_back(std::move(text));
}

void Trace::print_tail() {
  for (const std::string& line : lines_) fmt::print("{}\n", line);
  lines_.clear();
}

void report_violation(const std::string& what) {
  trace().print_tail();
  fmt::print("VIOLATION: {}\n", what);
  std::fflush(nullptr);
  _exit(kViolationExit);
}

}  // namespace mesh::sim
