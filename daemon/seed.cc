#include "daemon/seed.h"

#include <sys/random.h>

#include <cerrno>

#include "base/check.h"

namespace mesh::daemon {

std::uint64_t random_seed() {
  std::uint64_t seed = 0;
  ssize_t got = 0;
  do got = getrandom(&seed, sizeof seed, 0);
  while (got < 0 && errno == EINTR);
  CHECK(got == static_cast<ssize_t>(sizeof seed), "getrandom gave {} bytes", got);
  return seed;
}

}  // namespace mesh::daemon
