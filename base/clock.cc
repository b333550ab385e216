#include "base/clock.h"

#include <ctime>

namespace mesh {
namespace {

Duration read(clockid_t clock) {
  timespec ts{};
  clock_gettime(clock, &ts);  // cannot fail for these clocks (clock_gettime(2))
  return seconds(ts.tv_sec) + nanoseconds(ts.tv_nsec);
}

}  // namespace

MonoTime mono_now() { return MonoTime(read(CLOCK_MONOTONIC)); }
WallTime wall_now() { return WallTime(read(CLOCK_REALTIME)); }

}  // namespace mesh
