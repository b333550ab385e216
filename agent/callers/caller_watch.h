// CallerWatch: keeps the rules about this host's processes true: looks at each change of the services and every
// kLookInterval while there are services, since programs come and go without telling anybody.
//
// Agent loop; what may block runs on a thread of its own, one look at a time. Says once in the log which processes act as a
// service, or why none can, and again when that changes.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "agent/callers/rule_finder.h"
#include "agent/local_state.h"
#include "base/function.h"
#include "base/metrics.h"
#include "net/blocking_worker.h"
#include "net/timer.h"

namespace mesh::agent {

inline constexpr Duration kLookInterval = seconds(2);

class CallerWatch {
 public:
  // on_change: after rules() has changed.
  CallerWatch(net::Loop& loop, std::unique_ptr<HostView> host, MetricRegistry& metrics, UniqueFunction<void()> on_change);
  CallerWatch(const CallerWatch&) = delete;
  CallerWatch& operator=(const CallerWatch&) = delete;

  // The services may have changed.
  void update(const LocalState& local);

  // Never null.
  [[nodiscard]] const std::shared_ptr<const proxy::ProcessRules>& rules() const { return rules_; }

 private:
  void look();
  void found(FoundRules found);
  void tell(const std::map<std::string, CallerNote>& notes);
  void tell_rules(const proxy::ProcessRules& before) const;

  std::shared_ptr<RuleFinder> finder_;  // used on the worker's thread alone
  UniqueFunction<void()> on_change_;
  std::uint64_t revision_ = ~std::uint64_t{0};
  std::vector<ServiceProcess> services_;
  std::shared_ptr<const proxy::ProcessRules> rules_ = std::make_shared<const proxy::ProcessRules>();
  std::map<std::string, CallerNote> notes_;
  Gauge unknown_;  // services whose processes cannot be told until somebody does something
  bool looking_ = false;
  bool again_ = false;
  net::Timer timer_;
  net::BlockingWorker worker_;  // last: its end waits for the look under way
};

}  // namespace mesh::agent
