// MembershipPlan: which change of Raft's configuration brings it closer to the servers of the catalog (model::Server).
//
//   a row that is no member of Raft, with an address -> learner
//   a learner that has caught up and stayed so for kStableTime -> voter
//   a member of Raft without a row -> removed; if that is the leader itself, it hands over first
//
// One change at a time, and none that would leave less than a majority of voters that were heard of lately. A server
// without a row is not spoken with any more (rpc_transport.h), so at most one may lose its row before Raft lets it go:
// MembershipDuty::check_removal. The removals come first, then promotions, then learners.
//
// Pure but for what it remembers of learners; the driver is server/membership_duty.h. One thread.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "raft/core.h"
#include "raft/event.h"
#include "raft/types.h"

namespace mesh::server {

// A leader's view of its cluster.
struct MembershipView {
  raft::ServerId self;
  MonoTime now;
  raft::Configuration configuration;  // in force
  bool settled = false;               // it is committed, and so is an entry of this term
  raft::Index last;                   // end of the leader's log
  std::vector<raft::FollowerView> followers;
  std::map<raft::ServerId, bool> servers;  // the rows; true: its address is known
};

// Whether the voter or learner was heard of within kLiveWindow; the leader itself always.
[[nodiscard]] bool is_live(const MembershipView& view, raft::ServerId server);

// Whether the cluster can do without the server: Precondition with the reason, if it is the last voter, or too few of the
// others answer. One that is no voter may always go.
[[nodiscard]] Status check_dispensable(const MembershipView& view, raft::ServerId server);

struct MembershipStep {
  enum class Kind : std::uint8_t { None, Change, HandOver };
  Kind kind = Kind::None;
  raft::MembershipChange change{};
  std::string held_back{};  // None: what would be done but for a reason, which this is; empty: nothing is to do
};

class MembershipPlan {
 public:
  static constexpr Duration kLiveWindow = seconds(2);
  static constexpr Duration kStableTime = milliseconds(500);
  static constexpr std::uint64_t kCaughtUpLag = 64;  // entries

  [[nodiscard]] MembershipStep next(const MembershipView& view);
  // Leadership began or ended: what was seen of learners is forgotten.
  void reset() { caught_up_since_.clear(); }

 private:
  void observe(const MembershipView& view);

  std::map<raft::ServerId, MonoTime> caught_up_since_;
};

}  // namespace mesh::server
