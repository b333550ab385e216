// RenewalPlan: which certificate to ask for next. A core without I/O: times come in with each call.
//
// A certificate is renewed when a seventh of its life has passed, a little earlier at random: with the servers' seven days
// that is daily, and six days remain whenever the servers vanish. What failed is tried again with back-off, at most
// kAsksMax at a time. Renewals go by the wall clock, as certificates do, back-off by the monotonic one; as the wall clock
// may jump, next_deadline() is never further away than kRenewalLookInterval.
//
// Subject: a service's name, or "" for the node.
#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/rng.h"
#include "base/time.h"

namespace mesh::agent {

inline constexpr std::size_t kAsksMax = 4;
inline constexpr int kRenewalShare = 7;                         // of a certificate's life
inline constexpr Duration kRenewalIntervalMin = minutes(1);     // however short what servers sign lives
inline constexpr Duration kRenewalLookInterval = minutes(10);
inline constexpr Duration kRenewalBackoffMin = seconds(1);
inline constexpr Duration kRenewalBackoffMax = minutes(5);

struct TwoClocks {
  MonoTime mono{};
  WallTime wall{};
};

struct Validity {
  WallTime not_before{};
  WallTime not_after{};
};

class RenewalPlan {
 public:
  explicit RenewalPlan(Rng rng) : rng_(std::move(rng)) {}

  // Without a certificate: asked for at once. No change if the plan has it.
  void want(const std::string& subject);
  void drop(std::string_view subject);
  // It has this certificate now: from the disk (renewed at once if it is time), or because it was asked for (not again
  // within kRenewalIntervalMin).
  void on_certificate(TwoClocks now, const std::string& subject, Validity validity);
  // REQUIRES it was asked for. What was dropped meanwhile is left aside, here and above.
  void on_failed(TwoClocks now, std::string_view subject);

  // Those to ask for now; each owes an on_certificate or on_failed.
  [[nodiscard]] std::vector<std::string> take_due(TwoClocks now);
  // When take_due may have something; kNever: not by time alone.
  [[nodiscard]] MonoTime next_deadline(TwoClocks now) const;

  [[nodiscard]] std::size_t asking() const;

 private:
  struct Entry {
    bool asking = false;
    std::optional<WallTime> renew_at{};  // none: no certificate
    MonoTime retry_at{};                 // after a failure
    Duration backoff = kRenewalBackoffMin;
  };

  // Certificates first that are not there, then in order of their age.
  std::map<std::string, Entry, std::less<>> entries_;
  Rng rng_;
};

}  // namespace mesh::agent
