// Time as values. Two clocks that never mix: monotonic (deadlines, timeouts; the only one protocol cores see) and
// wall (certificates, records shown to people). Neither type has a now(): cores receive time as an argument, and the
// two sources of it are mono_now() and wall_now() in base/clock.h, which lint bans inside cores.
#pragma once

#include <chrono>
#include <cstdint>

namespace mesh {

using Duration = std::chrono::nanoseconds;
using std::chrono::duration_cast;
using std::chrono::hours;
using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::nanoseconds;
using std::chrono::seconds;

// Tag of the monotonic time line; its zero is arbitrary and differs between processes and simulated hosts.
struct MonoClock {
  using duration = Duration;
  using rep = duration::rep;
  using period = duration::period;
  static constexpr bool is_steady = true;
};
using MonoTime = std::chrono::time_point<MonoClock, Duration>;

// Tag of the wall clock: nanoseconds since 1970-01-01T00:00:00Z, may jump both ways.
struct WallClock {
  using duration = Duration;
  using rep = duration::rep;
  using period = duration::period;
  static constexpr bool is_steady = false;
};
using WallTime = std::chrono::time_point<WallClock, Duration>;

// "Never", for deadlines. Compares later than every real time.
inline constexpr MonoTime kNever = MonoTime::max();

// Whole milliseconds, rounded down; for the wire and for logs.
[[nodiscard]] constexpr std::int64_t to_millis(Duration d) { return duration_cast<milliseconds>(d).count(); }

}  // namespace mesh
