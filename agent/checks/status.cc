#include "agent/checks/status.h"

#include <algorithm>
#include <limits>

namespace mesh::agent {

using model::CheckStatus;

namespace {

std::uint32_t or_one(std::uint32_t count) { return std::max(count, 1U); }

void count_up(std::uint32_t& count) {
  if (count < std::numeric_limits<std::uint32_t>::max()) ++count;
}

}  // namespace

StatusCore::Rules StatusCore::rules_of(const model::CheckDefinition& definition) {
  const std::uint32_t for_critical = or_one(definition.failures_before_critical);
  const std::uint32_t for_warning = definition.failures_before_warning;
  return {.successes_for_passing = or_one(definition.success_before_passing),
          .failures_for_warning = for_warning == 0 ? for_critical : for_warning,
          .failures_for_critical = for_critical,
          .deregister_after = definition.service_id.empty() ? Duration{} : definition.deregister_after};
}

StatusCore::StatusCore(const model::CheckDefinition& definition, CheckStatus status, MonoTime now)
    : rules_(rules_of(definition)), status_(status), critical_since_(now) {}

void StatusCore::redefine(const model::CheckDefinition& definition) {
  rules_ = rules_of(definition);
  successes_ = failures_ = 0;
}

std::optional<CheckStatus> StatusCore::on_result(MonoTime now, CheckStatus result) {
  if (result == CheckStatus::Critical) {
    count_up(failures_);
    successes_ = 0;
  } else {
    count_up(successes_);
    failures_ = 0;
  }
  const auto status = judge(result);
  if (status) set_status(now, *status);
  return status;
}

std::optional<CheckStatus> StatusCore::judge(CheckStatus result) const {
  if (result != CheckStatus::Critical)
    return successes_ >= rules_.successes_for_passing ? std::optional(result) : std::nullopt;
  if (failures_ >= rules_.failures_for_critical) return CheckStatus::Critical;
  if (failures_ < rules_.failures_for_warning || status_ == CheckStatus::Critical) return std::nullopt;
  return CheckStatus::Warning;
}

void StatusCore::set_status(MonoTime now, CheckStatus status) {
  if (status == CheckStatus::Critical && status_ != CheckStatus::Critical) critical_since_ = now;
  status_ = status;
}

MonoTime StatusCore::expires_at() const {
  if (status_ != CheckStatus::Critical || rules_.deregister_after == Duration{}) return kNever;
  return rules_.deregister_after >= kNever - critical_since_ ? kNever : critical_since_ + rules_.deregister_after;
}

}  // namespace mesh::agent
