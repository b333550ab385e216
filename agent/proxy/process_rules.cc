#include "agent/proxy/process_rules.h"

#include <utility>

namespace mesh::proxy {

ProcessRules::ProcessRules(std::vector<ProcessRule> rules, std::vector<std::string> guarded, std::vector<std::uint64_t> seen)
    : rules_(std::move(rules)), guarded_(guarded.begin(), guarded.end()) {
  for (std::uint32_t i = 0; i < rules_.size(); ++i) {
    const ProcessRule& rule = rules_[i];
    guarded_.insert(rule.service);
    for (const std::uint64_t cgroup : rule.cgroups) by_cgroup_[cgroup].push_back(i);
    if (!rule.folder.empty()) with_folder_.push_back(i);
    else if (rule.uid) by_uid_[*rule.uid].push_back(i);
  }
  if (!with_folder_.empty()) seen_ = std::unordered_set<std::uint64_t>(seen.begin(), seen.end());
}

struct ProcessRules::Best {
  Match match;
  std::uint32_t rank = 0;
};

ProcessRules::Match ProcessRules::match(const CallerFacts& facts, const CgroupNow& now) const {
  Best best;
  if (facts.cgroup && !with_folder_.empty()) {
    const auto found = by_cgroup_.find(*facts.cgroup);
    if (found != by_cgroup_.end())
      for (const std::uint32_t i : found->second) consider(i, facts, best);
    else if (!seen_.contains(*facts.cgroup))
      for (const std::uint32_t i : with_folder_)
        if (now.cgroup_at(rules_[i].folder) == *facts.cgroup) consider(i, facts, best);
  }
  if (facts.uid)
    if (const auto found = by_uid_.find(*facts.uid); found != by_uid_.end())
      for (const std::uint32_t i : found->second) consider(i, facts, best);
  return best.match;
}

void ProcessRules::consider(std::uint32_t i, const CallerFacts& facts, Best& best) const {
  const ProcessRule& rule = rules_[i];
  if (rule.uid && rule.uid != facts.uid) return;
  if (best.match.service == nullptr || rule.rank > best.rank) best = {{&rule.service, nullptr}, rule.rank};
  else if (rule.rank == best.rank && rule.service != *best.match.service) best.match.rival = &rule.service;
}

}  // namespace mesh::proxy
