// MembershipPlan: which change of Raft's configuration brings it closer to the servers of the catalog (model::Server).
//
//   a row that is no member of Raft, with an address -> learner
//   a learner that has caught up and stayed so for kStableTime -> voter
//   a member of Raft that is leaving, or without a row -> removed; if that is the leader itself, it hands over first
//
// One change at a time, and none that would leave less than a majority of voters that were heard of lately. The removals
// come first, then promotions, then learners.
//
// The order of an end: a server without a row is not spoken with any more (rpc_transport.h), so a row goes last. First Raft
// lets the server go (MembershipView::leaving), then that is committed (is_out), then the end of its row is proposed: it
// stands behind the change in every log. A leader that fails in between leaves a server with a row, which the next leader
// takes in again; nothing was promised to anybody yet. A member without a row is left by nothing but a Join and an end of
// the same node that overtake each other, and is a learner.
//
// Pure but for what it remembers of learners; the driver is server/membership_duty.h. One thread.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "raft/core.h"
#include "raft/event.h"
#include "raft/types.h"
#include "server/state.h"

namespace mesh::server {

// What a leader remembers besides.
struct Leadership {
  MonoTime since{};
  std::optional<raft::ServerId> leaving{};  // asked to be removed; its row stands until Raft has let it go
};

// A leader's view of its cluster.
struct MembershipView {
  raft::ServerId self;
  MonoTime now;
  MonoTime led_since{};
  raft::Configuration configuration;  // in force
  bool settled = false;               // it is committed, and so is an entry of this term
  raft::Index last;                   // end of the leader's log
  std::vector<raft::FollowerView> followers;
  std::map<raft::ServerId, bool> servers;  // the rows; true: its address is known
  std::optional<raft::ServerId> leaving{};

  // Has a row, and is to stay.
  [[nodiscard]] bool belongs(raft::ServerId server) const;
};

// What a leader sees. REQUIRES that `core` leads, and `state` is what it has applied.
[[nodiscard]] MembershipView membership_view(const raft::Core& core, const State& state, const Leadership& leadership, MonoTime now);

// Whether Raft has let the server go for good, so that its row may go.
[[nodiscard]] bool is_out(const MembershipView& view, raft::ServerId server);

// Whether the voter or learner was heard of within kLiveWindow, by this leader; the leader itself always. (Raft takes the
// beginning of a leadership for a sign of life of everybody; who is dead since before must not count for a majority.)
[[nodiscard]] bool is_live(const MembershipView& view, raft::ServerId server);

// Whether the cluster can do without the server: Precondition with the reason, if it is the last voter, or too few of the
// others answer; Unavailable if they may still, because this leader has only begun. One that is no voter may always go.
[[nodiscard]] Status check_dispensable(const MembershipView& view, raft::ServerId server);

// Whether the server may begin to leave. Errors: Unavailable (another one is leaving: two at once could take a majority with
// them that answers no longer), check_dispensable's.
[[nodiscard]] Status check_may_leave(const MembershipView& view, raft::ServerId server);

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
