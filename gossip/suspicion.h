// One member's suspicion of another: how long it lasts. It begins long and ends the sooner the more members say
// independently that they get no answer either (Lifeguard, "dogpile"); a member that got no failed probe of its own
// waits half as long again, because it is not to declare on hearsay. A value.
//
// Time by c confirmations of k:  max - (max - min) * log(c + 1) / log(k + 1), at least min.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "base/time.h"
#include "gossip/types.h"

namespace mesh::gossip {

struct SuspicionTimes {
  Duration min{};
  Duration max{};
  std::uint32_t confirmations = 0;  // that give min; 0: min from the start
};

[[nodiscard]] Duration suspicion_time(const SuspicionTimes& times, std::uint32_t confirmations);

class Suspicion {
 public:
  struct Start {
    Incarnation incarnation;
    NodeId accuser;
    MonoTime now;
    Duration hearsay_delay{};  // random, so that those without a probe of their own do not probe at once
  };
  Suspicion(const Start& start, const SuspicionTimes& times);

  // True if this accuser is new and still needed: pass it on.
  bool confirm(const NodeId& accuser);
  void confirm_fully() { confirmed_fully_ = true; }
  void refused(MonoTime until) { refused_until_ = until; }   // the suspect's host says that the process is gone
  void probe_failed(MonoTime started) { probe_failed_ = started; }  // a probe of our own
  // The suspect answered us: all begins anew.
  void answered(MonoTime now);
  void postpone(Duration by);

  [[nodiscard]] Incarnation incarnation() const { return incarnation_; }
  [[nodiscard]] MonoTime deadline() const;
  // A probe of our own must have begun after this, and failed, before we may declare.
  [[nodiscard]] MonoTime verify_after(Duration probe_timeout) const { return deadline() - 2 * probe_timeout; }
  [[nodiscard]] bool verified(Duration probe_timeout) const;

 private:
  Incarnation incarnation_;
  SuspicionTimes times_;
  MonoTime started_;
  Duration hearsay_delay_;
  std::vector<NodeId> accusers_;  // the first one and those who confirmed, at most times_.confirmations + 1
  bool confirmed_fully_ = false;
  std::optional<MonoTime> refused_until_;
  std::optional<MonoTime> probe_failed_;
};

}  // namespace mesh::gossip
