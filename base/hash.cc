#include "base/hash.h"

#include <xxhash.h>

namespace mesh {

std::uint64_t xxh3_64(ByteView bytes, std::uint64_t seed) {
  return XXH3_64bits_withSeed(bytes.data(), bytes.size(), seed);
}

}  // namespace mesh
