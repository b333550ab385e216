#include "agent/identity/renewal.h"

#include <algorithm>

namespace mesh::agent {

void RenewalPlan::want(const std::string& subject) { entries_.try_emplace(subject); }

void RenewalPlan::drop(std::string_view subject) {
  if (const auto found = entries_.find(subject); found != entries_.end()) entries_.erase(found);
}

void RenewalPlan::on_certificate(TwoClocks now, const std::string& subject, Validity validity) {
  const Duration share = std::max(Duration{}, validity.not_after - validity.not_before) / kRenewalShare;
  Entry& entry = entries_[subject];
  const bool asked = entry.asking;
  entry = Entry{};
  entry.renew_at = validity.not_before + rng_.between(share * 4 / 5, share);
  entry.retry_at = asked ? now.mono + kRenewalIntervalMin : now.mono;
}

void RenewalPlan::on_failed(TwoClocks now, std::string_view subject) {
  const auto found = entries_.find(subject);
  if (found == entries_.end()) return;
  Entry& entry = found->second;
  entry.asking = false;
  entry.retry_at = now.mono + rng_.between(entry.backoff / 2, entry.backoff);
  entry.backoff = std::min(entry.backoff * 2, kRenewalBackoffMax);
}

std::size_t RenewalPlan::asking() const {
  return static_cast<std::size_t>(std::count_if(entries_.begin(), entries_.end(), [](const auto& e) { return e.second.asking; }));
}

std::vector<std::string> RenewalPlan::take_due(TwoClocks now) {
  std::vector<std::pair<std::optional<WallTime>, std::string>> due;  // what has no certificate comes first
  for (const auto& [subject, entry] : entries_) {
    const bool worn = !entry.renew_at || now.wall >= *entry.renew_at;
    if (!entry.asking && worn && now.mono >= entry.retry_at) due.emplace_back(entry.renew_at, subject);
  }
  std::sort(due.begin(), due.end());
  due.resize(std::min(due.size(), kAsksMax - std::min(kAsksMax, asking())));
  std::vector<std::string> taken;
  for (auto& [renew_at, subject] : due) {
    entries_.find(subject)->second.asking = true;
    taken.push_back(std::move(subject));
  }
  return taken;
}

MonoTime RenewalPlan::next_deadline(TwoClocks now) const {
  if (asking() >= kAsksMax) return kNever;
  MonoTime next = kNever;
  for (const auto& [subject, entry] : entries_) {
    if (entry.asking) continue;
    Duration wait = entry.retry_at - now.mono;
    if (entry.renew_at) wait = std::max(wait, *entry.renew_at - now.wall);
    next = std::min(next, now.mono + std::clamp(wait, Duration{}, kRenewalLookInterval));
  }
  return next;
}

}  // namespace mesh::agent
