#include "agent/proxy/process_rules.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace mesh::proxy {

std::string describe(const ProcessRule& rule) {
  const std::string user = rule.uid ? fmt::format("uid {}", *rule.uid) : std::string("any user");
  return rule.folder.empty() ? user : fmt::format("{} in {}", user, rule.folder);
}

Below CgroupMemory::is_below(std::uint64_t cgroup, const std::string& folder) const {
  if (const auto known = known_.find(cgroup); known != known_.end())
    if (const auto answer = known->second.find(folder); answer != known->second.end()) return answer->second;
  const Below answer = host_.is_below(cgroup, folder);
  if (answer == Below::Unknown) return answer;
  if (answers_ == kCgroupMemoryMax) {
    known_.clear();
    answers_ = 0;
  }
  ++answers_;
  known_[cgroup].emplace(folder, answer);
  return answer;
}

ProcessRules::ProcessRules(std::vector<ProcessRule> rules, std::vector<std::string> guarded, std::vector<std::uint64_t> seen)
    : rules_(std::move(rules)), guarded_(guarded.begin(), guarded.end()) {
  for (std::uint32_t i = 0; i < rules_.size(); ++i) {
    const ProcessRule& rule = rules_[i];
    guarded_.insert(rule.service);
    for (const std::uint64_t cgroup : rule.cgroups) by_cgroup_[cgroup].push_back(i);
    too_many_ = too_many_ || rule.cgroups.size() > kCgroupWalkMax;
    if (!rule.folder.empty()) with_folder_.push_back(i);
    else if (rule.uid) by_uid_[*rule.uid].push_back(i);
  }
  if (!with_folder_.empty()) seen_ = std::unordered_set<std::uint64_t>(seen.begin(), seen.end());
}

struct ProcessRules::Best {
  Match match;
  std::uint32_t rank = 0;
  std::uint32_t unsure_rank = 0;
};

ProcessRules::Match ProcessRules::match(const CallerFacts& facts, const CgroupNow& now) const {
  Best best;
  if (facts.cgroup && !with_folder_.empty()) {
    const auto found = by_cgroup_.find(*facts.cgroup);
    if (found != by_cgroup_.end())
      for (const std::uint32_t i : found->second) consider(i, facts, best);
    else if (!seen_.contains(*facts.cgroup)) consider_young(facts, now, best);
  }
  if (facts.uid)
    if (const auto found = by_uid_.find(*facts.uid); found != by_uid_.end())
      for (const std::uint32_t i : found->second) consider(i, facts, best);
  const bool outdone = best.match.service != nullptr && best.match.unsure != nullptr &&
                       (best.unsure_rank < best.rank || *best.match.unsure == *best.match.service);
  if (outdone) best.match.unsure = nullptr;
  return best.match;
}

void ProcessRules::consider_young(const CallerFacts& facts, const CgroupNow& now, Best& best) const {
  for (const std::uint32_t i : with_folder_) {
    const ProcessRule& rule = rules_[i];
    if (rule.uid && rule.uid != facts.uid) continue;
    const Below below = now.is_below(*facts.cgroup, rule.folder);
    if (below == Below::Yes) consider(i, facts, best);
    if (below != Below::Unknown || (best.match.unsure != nullptr && rule.rank <= best.unsure_rank)) continue;
    best.match.unsure = &rule.service;
    best.unsure_rank = rule.rank;
  }
}

void ProcessRules::consider(std::uint32_t i, const CallerFacts& facts, Best& best) const {
  const ProcessRule& rule = rules_[i];
  if (rule.uid && rule.uid != facts.uid) return;
  if (best.match.service == nullptr || rule.rank > best.rank) best = {{&rule.service, nullptr, best.match.unsure}, rule.rank, best.unsure_rank};
  else if (rule.rank == best.rank && rule.service != *best.match.service) best.match.rival = &rule.service;
}

// ---- for people ----

bool ProcessRules::in_folder(const ProcessRule& rule, std::uint64_t cgroup, const CgroupNow& now) const {
  if (std::binary_search(rule.cgroups.begin(), rule.cgroups.end(), cgroup)) return true;
  return !seen_.contains(cgroup) && now.is_below(cgroup, rule.folder) == Below::Yes;
}

std::string ProcessRules::near_miss(const CallerFacts& facts, const CgroupNow& now) const {
  for (const ProcessRule& rule : rules_) {
    if (rule.folder.empty()) continue;
    if (facts.cgroup && rule.uid && in_folder(rule, *facts.cgroup, now))
      return fmt::format("it is in the control group of {}, which is {} only", rule.service, describe(rule));
    if (rule.uid && rule.uid == facts.uid)
      return fmt::format("it has the user of {}, which is {} only", rule.service, describe(rule));
  }
  return {};
}

}  // namespace mesh::proxy
