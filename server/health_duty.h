// HealthDuty: the leader's duty to keep serfHealth true (server/node_health.h): looks whenever gossip, the nodes of the
// catalog or its own leadership changed, and every kHealthInterval, and proposes what differs as one command at a time.
//
// Thread: the raft loop. Everything that it is given outlives it. Limits: looks at most every kHealthPace, so that
// many failures at once are few commands; kVerdictsMax nodes in one.
#pragma once

#include <functional>
#include <string>

#include "base/metrics.h"
#include "net/loop.h"
#include "net/timer.h"
#include "server/node_health.h"
#include "server/raft_host.h"

namespace mesh::server {

inline constexpr Duration kHealthInterval = seconds(5);
inline constexpr Duration kHealthPace = milliseconds(50);
inline constexpr Duration kHealthRetry = seconds(1);  // after a command that failed

class HealthDuty {
 public:
  struct Parts {
    net::Loop& loop;
    std::function<const State&()> state;
    std::function<void(model::Command, RaftHost::OnResult)> propose;
    MetricRegistry* metrics = nullptr;
  };
  HealthDuty(Parts parts, std::string self, const NodeHealthOptions& options);
  HealthDuty(const HealthDuty&) = delete;
  HealthDuty& operator=(const HealthDuty&) = delete;

  void on_role(bool leader);
  void gossip_started();
  void on_member(const gossip::MemberEvent& event);
  void on_changes(const model::ChangeSet& changes);

 private:
  void wake();
  void look();
  void on_result(const Status& status);

  Parts parts_;
  NodeHealth health_;
  bool leads_ = false;
  bool proposing_ = false;
  bool doubted_ = false;
  CounterFamily verdicts_;
  Gauge doubts_;
  MonoTime looked_at_{};
  net::Timer timer_;
};

}  // namespace mesh::server
