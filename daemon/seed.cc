#include "daemon/seed.h"

#include "net/crypto.h"

namespace mesh::daemon {

std::uint64_t random_seed() { return read_be64(net::random_bytes(sizeof(std::uint64_t))); }

}  // namespace mesh::daemon
