// What the results of a check's runs mean for its status, and for how long it has been critical. A core: no I/O.
//
// Glossary: result = what one run found; status = what the catalog says; success = a passing or warning result;
// failure = a critical one. The thresholds are Consul's: a success sets the status to its result after
// success_before_passing successes in a row, a failure to critical after failures_before_critical failures in a row, and
// to warning after failures_before_warning of them (default: the number for critical, so never). Until then the status
// stays. A success ends a row of failures and the other way round. Unlike Consul's, a failure never improves a status:
// what is critical does not become warning by failing less often.
//
// One thread at a time. Times are those of the caller.
#pragma once

#include <cstdint>
#include <optional>

#include "base/time.h"
#include "model/check.h"

namespace mesh::agent {

class StatusCore {
 public:
  StatusCore(const model::CheckDefinition& definition, model::CheckStatus status, MonoTime now);

  // The definition has changed: rows are counted anew, the status and the time it has lasted stay.
  void redefine(const model::CheckDefinition& definition);

  // A run has ended. The status it leads to, also if that is the one before; nothing while the row is too short.
  std::optional<model::CheckStatus> on_result(MonoTime now, model::CheckStatus result);
  // The status was set from elsewhere: a report of a TTL check, a registration with a status.
  void set_status(MonoTime now, model::CheckStatus status);

  [[nodiscard]] model::CheckStatus status() const { return status_; }
  // When the check will have been critical for deregister_after; kNever if it is not critical, belongs to no service or
  // has no such time.
  [[nodiscard]] MonoTime expires_at() const;

 private:
  struct Rules {
    std::uint32_t successes_for_passing = 1;
    std::uint32_t failures_for_warning = 1;
    std::uint32_t failures_for_critical = 1;
    Duration deregister_after{};  // zero: never
  };
  static Rules rules_of(const model::CheckDefinition& definition);
  [[nodiscard]] std::optional<model::CheckStatus> judge(model::CheckStatus result) const;

  Rules rules_;
  model::CheckStatus status_;
  MonoTime critical_since_;  // of the present critical status
  std::uint32_t successes_ = 0;  // in a row; one of the two is zero
  std::uint32_t failures_ = 0;
};

}  // namespace mesh::agent
