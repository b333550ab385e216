// The monotonic clock of one simulated host: it runs at its own rate and may jump forward (a suspended machine), never
// back. A value; one thread.
#pragma once

#include <cstdint>

#include "base/check.h"
#include "base/time.h"

namespace mesh::sim {

class HostClock {
 public:
  HostClock() = default;
  // Shows `shown` at true time `now` and gains `drift_ppm` (negative: loses) from then on.
  HostClock(MonoTime now, MonoTime shown, std::int64_t drift_ppm) : base_(now), shown_(shown), drift_ppm_(drift_ppm) {
    CHECK(drift_ppm > -500'000 && drift_ppm < 500'000, "drift {} ppm", drift_ppm);
  }

  [[nodiscard]] MonoTime shows_at(MonoTime now) const {
    const std::int64_t elapsed = (now - base_).count();
    return shown_ + Duration(elapsed + elapsed / kMillion * drift_ppm_ + elapsed % kMillion * drift_ppm_ / kMillion);
  }
  // The first true time, not before `now`, at which the clock shows `shown` or more. kNever stays kNever.
  [[nodiscard]] MonoTime when_shows(MonoTime shown, MonoTime now) const {
    if (shown == kNever) return kNever;
    if (shows_at(now) >= shown) return now;
    const std::int64_t missing = (shown - shows_at(now)).count();
    MonoTime when = now + Duration(missing - missing / (kMillion + drift_ppm_) * drift_ppm_ -
                                   missing % (kMillion + drift_ppm_) * drift_ppm_ / (kMillion + drift_ppm_));
    while (shows_at(when) < shown) when += Duration(1);
    while (shows_at(when - Duration(1)) >= shown) when -= Duration(1);
    return when;
  }
  void drift(MonoTime now, std::int64_t drift_ppm) { *this = HostClock(now, shows_at(now), drift_ppm); }
  void jump(MonoTime now, Duration forward) { *this = HostClock(now, shows_at(now) + forward, drift_ppm_); }

 private:
  static constexpr std::int64_t kMillion = 1'000'000;
  MonoTime base_{};
  MonoTime shown_{};
  std::int64_t drift_ppm_ = 0;
};

}  // namespace mesh::sim
