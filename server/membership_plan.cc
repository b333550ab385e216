#include "server/membership_plan.h"

#include <algorithm>

#include "base/mutant.h"

namespace mesh::server {

namespace {

using Kind = raft::MembershipChange::Kind;

const raft::FollowerView* follower(const MembershipView& view, raft::ServerId server) {
  const auto found = std::find_if(view.followers.begin(), view.followers.end(),
                                  [server](const raft::FollowerView& each) { return each.id == server; });
  return found == view.followers.end() ? nullptr : &*found;
}

MembershipStep change(Kind kind, raft::ServerId server) {
  return {MembershipStep::Kind::Change, {kind, server}, {}};
}

// Of voters first: they count in every majority.
std::vector<raft::ServerId> to_remove(const MembershipView& view) {
  std::vector<raft::ServerId> gone;
  for (const auto* list : {&view.configuration.voters, &view.configuration.learners}) {
    std::copy_if(list->begin(), list->end(), std::back_inserter(gone), [&](raft::ServerId each) { return !view.belongs(each); });
  }
  return gone;
}

MembershipStep remove_gone(const MembershipView& view) {
  MembershipStep out;
  for (const raft::ServerId gone : to_remove(view)) {
    const Status possible = check_dispensable(view, gone);
    if (possible.ok() && gone == view.self) return {MembershipStep::Kind::HandOver, {}, {}};
    if (possible.ok()) return change(Kind::Remove, gone);
    out.held_back = possible.error().message;
  }
  return out;
}

}  // namespace

bool MembershipView::belongs(raft::ServerId server) const {
  return servers.contains(server) && (leaving != server || MESH_MUTANT(MemberNotLetGo));
}

MembershipView membership_view(const raft::Core& core, const State& state, const Leadership& leadership, MonoTime now) {
  MembershipView view;
  view.led_since = leadership.since;
  view.self = core.self();
  view.now = now;
  view.configuration = core.configuration();
  view.settled = core.term_at(core.applied()) == core.term() && core.configuration_committed();
  view.last = core.last().index;
  view.followers = core.followers();
  view.leaving = leadership.leaving;
  state.servers().each({}, [&](const Bytes&, const model::Server& row) {
    view.servers.emplace(raft::ServerId(row.server_id), !row.address.empty());
  });
  return view;
}

bool is_out(const MembershipView& view, raft::ServerId server) {
  if (MESH_MUTANT(MemberRowFirst)) return true;
  return view.settled && !view.configuration.contains(server);
}

bool is_live(const MembershipView& view, raft::ServerId server) {
  if (server == view.self) return true;
  const raft::FollowerView* seen = follower(view, server);
  return seen != nullptr && (seen->heard > view.led_since || MESH_MUTANT(MemberLiveUnheard)) && view.now - seen->heard <= MembershipPlan::kLiveWindow;
}

Status check_dispensable(const MembershipView& view, raft::ServerId server) {
  if (!view.configuration.is_voter(server)) return {};
  const std::size_t others = view.configuration.voters.size() - 1;
  if (others == 0) return error(Code::Precondition, "server {} is the only one that votes", server.value());
  const auto live = static_cast<std::size_t>(
      std::count_if(view.configuration.voters.begin(), view.configuration.voters.end(),
                    [&](raft::ServerId each) { return each != server && is_live(view, each); }));
  if (live > others / 2 || MESH_MUTANT(MemberQuorumNotAsked)) return {};
  if (view.now - view.led_since < MembershipPlan::kLiveWindow)
    return error(Code::Unavailable, "this server has only begun to lead and has heard {} of the {} others", live, others);
  return error(Code::Precondition, "without server {} only {} of the {} others answer, which is no majority: bring them back first",
               server.value(), live, others);
}

Status check_may_leave(const MembershipView& view, raft::ServerId server) {
  const auto leaves = [&](raft::ServerId each) { return each != server && !view.belongs(each); };
  if ((view.leaving && *view.leaving != server) ||
      std::any_of(view.configuration.voters.begin(), view.configuration.voters.end(), leaves)) {
    return error(Code::Unavailable, "another server is leaving, and one leaves at a time");
  }
  return check_dispensable(view, server);
}

// When each learner began to be close to the end of the log without a break.
void MembershipPlan::observe(const MembershipView& view) {
  std::map<raft::ServerId, MonoTime> still;
  for (const raft::ServerId learner : view.configuration.learners) {
    const raft::FollowerView* seen = follower(view, learner);
    if (seen == nullptr || seen->damaged || seen->state != raft::FollowerView::State::Replicate) continue;
    if (view.last.value() > seen->match.value() + kCaughtUpLag || !is_live(view, learner)) continue;
    const auto known = caught_up_since_.find(learner);
    still.emplace(learner, known == caught_up_since_.end() ? view.now : known->second);
  }
  caught_up_since_ = std::move(still);
}

MembershipStep MembershipPlan::next(const MembershipView& view) {
  observe(view);
  if (!view.settled || view.servers.empty()) return {};  // no row at all: the cluster is still being made
  MembershipStep removal = remove_gone(view);
  if (removal.kind != MembershipStep::Kind::None) return removal;
  for (const auto& [learner, since] : caught_up_since_) {
    if (view.belongs(learner) && view.now - since >= kStableTime) return change(Kind::Promote, learner);
  }
  for (const auto& [server, has_address] : view.servers) {
    if (has_address && view.belongs(server) && !view.configuration.contains(server)) return change(Kind::AddLearner, server);
  }
  return removal;
}

}  // namespace mesh::server
