// One run of a check: the seam between the runner and the kinds of check.
//
// To add a kind of check: a class like HttpRun or TcpRun, a branch in CheckRunner::start_run, its field in
// model/check.h.
#pragma once

#include <string>

#include "base/function.h"
#include "model/check.h"

namespace mesh::agent {

struct CheckResult {
  model::CheckStatus status = model::CheckStatus::Critical;
  std::string output;  // for people; who keeps it cuts it
};

// Agent loop. A run reports once, by its deadline, never from inside its constructor. Destroying it cancels; it may not be
// destroyed inside its own report.
class CheckRun {
 public:
  using OnDone = UniqueFunction<void(CheckResult)>;
  virtual ~CheckRun() = default;
};

}  // namespace mesh::agent
