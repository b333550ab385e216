// MembershipDuty: the leader's duty to keep Raft's configuration in line with the servers of the catalog
// (server/membership_plan.h decides), and the removal of a server for whoever asks for it.
//
// Thread: the raft loop. It looks every kLookEvery while this server leads. Ownership: host and loop outlive it; so does
// what `rows` reads. Each step is logged; meshd_raft_membership_changes_total counts them, meshd_raft_voters and
// meshd_raft_learners show the configuration of a leader.
#pragma once

#include <functional>
#include <list>
#include <map>
#include <string>

#include "base/function.h"
#include "base/metrics.h"
#include "base/result.h"
#include "net/loop.h"
#include "net/timer.h"
#include "server/membership_plan.h"
#include "server/raft_host.h"
#include "server/state.h"

namespace mesh::server {

class MembershipDuty {
 public:
  static constexpr Duration kLookEvery = milliseconds(100);
  static constexpr std::size_t kRemovalsMax = 64;  // waited for

  struct Parts {
    net::Loop& loop;
    RaftHost& host;
    std::function<const State&()> state;
    MetricRegistry* metrics = nullptr;
  };
  explicit MembershipDuty(Parts parts);
  ~MembershipDuty();
  MembershipDuty(const MembershipDuty&) = delete;
  MembershipDuty& operator=(const MembershipDuty&) = delete;

  void on_role();

  // Whether the server may be taken out of the cluster now. Errors: Unavailable (this server does not lead, or another one
  // is leaving: whoever has no row is not spoken with any more, so two at once could be a majority that nobody hears),
  // Precondition (the last one; no majority without it).
  [[nodiscard]] Status check_removal(raft::ServerId server) const;
  // Fires when no server without a row is in the configuration any more, and that is committed. Errors: Unavailable
  // (leadership ended; the next leader goes on with it), Timeout, Overloaded.
  void await_removals(MonoTime deadline, UniqueFunction<void(Status)> done);

  // As the leader sees it; REQUIRES that this server leads.
  [[nodiscard]] MembershipView view() const;

 private:
  struct Removal {
    MonoTime deadline;
    UniqueFunction<void(Status)> done;
  };

  void look();
  void carry_out(const MembershipStep& step);
  void hand_over();
  void answer_removals();
  void tell_held_back(const std::string& why);

  Parts parts_;
  MembershipPlan plan_;
  std::list<Removal> removals_;
  bool under_way_ = false;
  std::string held_back_;  // as it was logged last
  Gauge voters_;
  Gauge learners_;
  CounterFamily changes_;
  net::Timer timer_;
};

}  // namespace mesh::server
