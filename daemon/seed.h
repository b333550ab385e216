// Seeds from the kernel's generator, for what must differ between processes and be unpredictable to others: election
// timeouts, request ids, DNS ids. Any thread.
#pragma once

#include <cstdint>

#include "base/rng.h"

namespace mesh::daemon {

[[nodiscard]] std::uint64_t random_seed();
[[nodiscard]] inline Rng random_rng() { return Rng(random_seed()); }

}  // namespace mesh::daemon
