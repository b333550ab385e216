// Seeded pseudo-random numbers (xoshiro256**, Blackman and Vigna 2018, seeded by splitmix64). Deterministic: the same
// seed gives the same sequence on every machine. Not for secrets (net/crypto has those). One thread per instance.
// Cores receive an Rng& from their owner; nothing in the product makes one from a global.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <utility>

#include "base/time.h"

namespace mesh {

class Rng {
 public:
  explicit Rng(std::uint64_t seed);

  std::uint64_t next();
  // Uniform in [0, bound). REQUIRES bound > 0.
  std::uint64_t below(std::uint64_t bound);
  // Uniform in [low, high]. REQUIRES low <= high.
  std::uint64_t between(std::uint64_t low, std::uint64_t high) { return low + below(high - low + 1); }
  Duration between(Duration low, Duration high);
  // True with the given probability in parts per million.
  bool chance_ppm(std::uint32_t ppm) { return below(1'000'000) < ppm; }
  // An independent generator; the same call order gives the same children.
  Rng fork() { return Rng(next()); }

  template <class T>
  void shuffle(std::span<T> items) {
    for (std::size_t i = items.size(); i > 1; --i) std::swap(items[i - 1], items[below(i)]);
  }

 private:
  std::array<std::uint64_t, 4> state_{};
};

}  // namespace mesh
