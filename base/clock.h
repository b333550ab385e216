// The only two sources of time in the product. Any thread. Not for protocol cores (lint): they get time as a value.
#pragma once

#include "base/time.h"

namespace mesh {

[[nodiscard]] MonoTime mono_now();  // CLOCK_MONOTONIC
[[nodiscard]] WallTime wall_now();  // CLOCK_REALTIME

}  // namespace mesh
