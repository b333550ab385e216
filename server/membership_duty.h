// MembershipDuty: the leader's duty to keep Raft's configuration in line with the servers of the catalog
// (server/membership_plan.h decides), and the first half of a server's end, for whoever asks for it: Raft lets it go.
//
// Thread: the raft loop. It looks every kLookEvery while this server leads. Ownership: host and loop outlive it; so does
// what `rows` reads. Each step is logged; meshd_raft_membership_changes_total counts them, meshd_raft_voters and
// meshd_raft_learners show the configuration of a leader.
#pragma once

#include <functional>
#include <list>
#include <memory>
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
  static constexpr Duration kHandOverPause = seconds(1);  // after a hand-over that came to nothing; doubles up to the maximum
  static constexpr Duration kHandOverPauseMax = seconds(30);

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

  // A server is on its way out, and not taken in again, for as long as this lives.
  using Leaving = std::shared_ptr<const raft::ServerId>;

  // Whether the server may be taken out of the cluster now. Errors: Unavailable (this server does not lead, or another one
  // is leaving), Precondition (the last one; no majority without it), Overloaded.
  [[nodiscard]] Status check_removal(raft::ServerId server) const;
  // Fires when Raft has let the server go, and that is committed: its row may go now. Errors: Unavailable (leadership
  // ended), Timeout; the server stays then, or is taken in again. REQUIRES check_removal.
  void take_out(raft::ServerId server, MonoTime deadline, UniqueFunction<void(Result<Leaving>)> done);

  // As the leader sees it; REQUIRES that this server leads.
  [[nodiscard]] MembershipView view() const;

 private:
  struct Removal {
    Leaving server;
    MonoTime deadline;
    UniqueFunction<void(Result<Leaving>)> done;
  };

  void look();
  void carry_out(const MembershipStep& step);
  void hand_over();
  void on_handed_over(const Status& status);
  void answer_removals();
  void tell_held_back(const std::string& why);

  Parts parts_;
  MembershipPlan plan_;
  std::list<Removal> removals_;
  std::weak_ptr<const raft::ServerId> leaving_;
  bool under_way_ = false;
  MonoTime led_since_{};
  Duration hand_over_pause_ = kHandOverPause;
  MonoTime hand_over_after_{};
  std::string held_back_;  // as it was logged last
  Gauge voters_;
  Gauge learners_;
  CounterFamily changes_;
  net::Timer timer_;
};

}  // namespace mesh::server
