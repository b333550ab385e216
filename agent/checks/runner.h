// Runs the health checks of this node and reports what they find.
//
// An HTTP or TCP check runs first after a random share of its interval (so that the checks of a host do not all run at
// once), then an interval after each start; it never runs twice at a time, as a run takes at most the interval. A TTL check
// becomes critical when nobody reports in time. A check of a service that has been critical for deregister_after is
// told to on_expired.
//
// Thread: the agent loop. Callbacks come from timers and sockets, never from inside a call to the runner; they may call
// update(), and may not destroy the runner.
//
// Limits (docs/limits.md): kCheckRunsMax runs at a time, further ones wait their turn, first come first served;
// kCheckRunTimeMax for one run, whatever its definition says.
// To add a kind of check, start in run.h.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "agent/checks/run.h"
#include "agent/local_state.h"
#include "base/function.h"
#include "base/rng.h"
#include "model/check.h"
#include "model/names.h"
#include "net/http1/client.h"

namespace mesh::net {
class Loop;
}

namespace mesh::agent {

inline constexpr std::size_t kCheckRunsMax = 256;
inline constexpr Duration kCheckRunTimeMax = minutes(5);

struct CheckCounts {
  std::uint64_t runs_total = 0;              // finished
  std::uint64_t failures_total = 0;          // of these, with a critical result
  std::uint64_t waits_total = 0;             // runs that had to wait for their turn
  std::uint64_t ttl_missed_total = 0;        // TTL checks that became critical for want of a report
  std::uint64_t services_expired_total = 0;  // calls of on_expired
};

class CheckRunner {
 public:
  // A result that counts: the thresholds of the definition are applied. The text is borrowed until return.
  using OnResult = UniqueFunction<void(const std::string& check_id, model::CheckStatus status, std::string_view output)>;
  // The service of this check is to be deregistered. The definition is borrowed until return.
  using OnExpired = UniqueFunction<void(const model::CheckDefinition& check)>;

  struct Options {
    OnResult on_result;
    OnExpired on_expired;
    std::size_t runs_max = kCheckRunsMax;  // REQUIRES > 0
  };

  CheckRunner(net::Loop& loop, Rng rng, Options options);
  ~CheckRunner();
  CheckRunner(const CheckRunner&) = delete;
  CheckRunner& operator=(const CheckRunner&) = delete;

  // Starts checks that are new, stops those that are gone, restarts those whose definition changed, and takes over each
  // status. A restarted check keeps its status and the time for which it has been critical.
  void update(const LocalState::Checks& checks);
  // A report of a TTL check has come: its time starts anew.
  void ttl_reported(std::string_view check_id);

  [[nodiscard]] std::size_t checks() const { return scheduled_.size(); }
  [[nodiscard]] std::size_t runs_active() const { return active_; }
  [[nodiscard]] std::size_t runs_waiting() const { return waiting_.size(); }
  [[nodiscard]] const CheckCounts& counts() const { return counts_; }

 private:
  class Scheduled;

  [[nodiscard]] std::unique_ptr<CheckRun> start_run(const model::CheckDefinition& definition, CheckRun::OnDone on_done);
  void due(Scheduled& check);
  void run_ended();
  void forget_waiting(const Scheduled& check);

  net::Loop& loop_;
  Rng rng_;
  Options options_;
  net::Http1Client http_;
  CheckCounts counts_;
  std::size_t active_ = 0;
  std::deque<Scheduled*> waiting_;
  std::map<std::string, std::unique_ptr<Scheduled>, model::NameLess> scheduled_;
};

}  // namespace mesh::agent
