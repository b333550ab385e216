// How well this member itself seems to do (Lifeguard's local health multiplier): 0 is well. Missing answers that were
// surely sent and contradicted rumors raise it, answered probes lower it; a high score makes it slower to accuse others.
#pragma once

#include <algorithm>
#include <cstdint>

#include "base/time.h"

namespace mesh::gossip {

class HealthScore {
 public:
  explicit HealthScore(std::uint32_t max) : max_(max) {}

  void worse(std::uint32_t by = 1) { value_ = std::min(max_, value_ + std::min(by, max_)); }
  void better() { value_ -= value_ == 0 ? 0U : 1U; }

  [[nodiscard]] std::uint32_t value() const { return value_; }
  [[nodiscard]] Duration stretched(Duration time) const { return time * (1 + value_); }

 private:
  std::uint32_t max_;
  std::uint32_t value_ = 0;
};

}  // namespace mesh::gossip
