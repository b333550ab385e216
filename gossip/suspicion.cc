#include "gossip/suspicion.h"

#include <algorithm>
#include <cmath>

namespace mesh::gossip {

// log() may differ between machines in its last bit, which rounding to milliseconds hides.
Duration suspicion_time(const SuspicionTimes& times, std::uint32_t confirmations) {
  if (confirmations >= times.confirmations) return times.min;
  const double part = std::log(confirmations + 1.0) / std::log(times.confirmations + 1.0);
  const double span = static_cast<double>(to_millis(times.max - times.min));
  return times.max - milliseconds(static_cast<std::int64_t>(span * part));
}

Suspicion::Suspicion(const Start& start, const SuspicionTimes& times)
    : incarnation_(start.incarnation), times_(times), started_(start.now), hearsay_delay_(start.hearsay_delay),
      accusers_{start.accuser} {}

bool Suspicion::confirm(const NodeId& accuser) {
  if (accusers_.size() > times_.confirmations) return false;
  if (std::find(accusers_.begin(), accusers_.end(), accuser) != accusers_.end()) return false;
  accusers_.push_back(accuser);
  return true;
}

void Suspicion::answered(MonoTime now) {
  started_ = now;
  accusers_.resize(1);
  confirmed_fully_ = false;
  refused_until_.reset();
  probe_failed_.reset();
}

void Suspicion::postpone(Duration by) {
  started_ += by;
  if (refused_until_) *refused_until_ += by;
}

MonoTime Suspicion::deadline() const {
  const auto confirmations = static_cast<std::uint32_t>(accusers_.size() - 1);
  const Duration time = confirmed_fully_ ? times_.min : suspicion_time(times_, confirmations);
  if (!probe_failed_) return started_ + time + time / 2 + hearsay_delay_;
  return refused_until_ ? std::min(started_ + time, *refused_until_) : started_ + time;
}

bool Suspicion::verified(Duration probe_timeout) const {
  return probe_failed_ && (refused_until_ || *probe_failed_ >= verify_after(probe_timeout));
}

}  // namespace mesh::gossip
