// Non-cryptographic hashing (XXH3, 64 bit): record checksums, tables, consistent hashing, state hashes. The same bytes
// and seed give the same number on every machine and in every release; it is part of on-disk formats. It withstands
// accidents, not an adversary who chooses the input. Any thread.
#pragma once

#include <cstdint>

#include "base/bytes.h"

namespace mesh {

[[nodiscard]] std::uint64_t xxh3_64(ByteView bytes, std::uint64_t seed = 0);

}  // namespace mesh
