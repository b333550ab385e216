#include "server/membership_duty.h"

#include <algorithm>
#include <utility>

#include "base/log.h"

namespace mesh::server {

namespace {

std::string_view verb_of(raft::MembershipChange::Kind kind) {
  using Kind = raft::MembershipChange::Kind;
  switch (kind) {
    case Kind::AddLearner:
      return "add-learner";
    case Kind::Promote:
      return "promote";
    case Kind::Demote:
      return "demote";
    case Kind::Remove:
      return "remove";
  }
  return "";
}

bool all_removed(const MembershipView& view) {
  const auto has_row = [&](raft::ServerId each) { return view.servers.contains(each); };
  return view.settled && std::all_of(view.configuration.voters.begin(), view.configuration.voters.end(), has_row) &&
         std::all_of(view.configuration.learners.begin(), view.configuration.learners.end(), has_row);
}

}  // namespace

MembershipDuty::MembershipDuty(Parts parts) : parts_(std::move(parts)), timer_(parts_.loop, [this] { look(); }) {
  if (parts_.metrics == nullptr) return;
  voters_ = parts_.metrics->gauge({.name = "meshd_raft_voters", .help = "Servers that vote, as this leader knows it; 0: it does not lead."});
  learners_ = parts_.metrics->gauge({.name = "meshd_raft_learners", .help = "Servers that catch up, as this leader knows it."});
  changes_ = parts_.metrics->counters({.name = "meshd_raft_membership_changes_total",
                                       .help = "Changes of the Raft configuration that this leader made.",
                                       .labels = {"change"}});
}

MembershipDuty::~MembershipDuty() = default;

void MembershipDuty::on_role() {
  plan_.reset();
  held_back_.clear();
  if (parts_.host.is_leader()) return timer_.start_after(Duration::zero());
  timer_.stop();
  voters_.set(0);
  learners_.set(0);
  // From the loop: the role changes in the middle of a step of Raft.
  if (!removals_.empty()) timer_.start_after(Duration::zero());
}

MembershipView MembershipDuty::view() const {
  const raft::Core& core = parts_.host.core();
  MembershipView view;
  view.self = core.self();
  view.now = parts_.loop.now();
  view.configuration = core.configuration();
  view.settled = parts_.host.serves() && core.configuration_committed();
  view.last = core.last().index;
  view.followers = core.followers();
  parts_.state().servers().each({}, [&](const Bytes&, const model::Server& row) {
    view.servers.emplace(raft::ServerId(row.server_id), !row.address.empty());
  });
  return view;
}

Status MembershipDuty::check_removal(raft::ServerId server) const {
  if (!parts_.host.serves()) return error(Code::Unavailable, "this server does not lead");
  const MembershipView now = view();
  const auto leaves = [&](raft::ServerId each) { return each != server && !now.servers.contains(each); };
  if (std::any_of(now.configuration.voters.begin(), now.configuration.voters.end(), leaves)) {
    return error(Code::Unavailable, "another server is leaving, and one leaves at a time");
  }
  return check_dispensable(now, server);
}

void MembershipDuty::await_removals(MonoTime deadline, UniqueFunction<void(Status)> done) {
  if (removals_.size() >= kRemovalsMax)
    return done(error(Code::Overloaded, "more than {} removals of servers are waited for", kRemovalsMax));
  removals_.push_back({deadline, std::move(done)});
  timer_.start_after(Duration::zero());
}

void MembershipDuty::look() {
  answer_removals();
  if (!parts_.host.is_leader()) return;
  timer_.start_after(kLookEvery);
  const MembershipView now = view();
  voters_.set(static_cast<double>(now.configuration.voters.size()));
  learners_.set(static_cast<double>(now.configuration.learners.size()));
  if (under_way_) return;
  const MembershipStep step = plan_.next(now);
  tell_held_back(step.held_back);
  if (step.kind == MembershipStep::Kind::Change) carry_out(step);
  if (step.kind == MembershipStep::Kind::HandOver) hand_over();
}

void MembershipDuty::carry_out(const MembershipStep& step) {
  under_way_ = true;
  const std::uint64_t server = step.change.server.value();
  const std::string_view verb = verb_of(step.change.kind);
  parts_.host.change_members(step.change, [this, server, verb](const Result<raft::LogPosition>& result) {
    under_way_ = false;
    if (!result.ok()) {
      LOG_INFO("a change of the servers is tried again", {"change", verb}, {"server", server}, {"why", result.error()});
      return;
    }
    changes_.with({verb}).add();
    LOG_INFO("servers change", {"change", verb}, {"server", server}, {"index", result->index});
  });
}

void MembershipDuty::hand_over() {
  under_way_ = true;
  LOG_INFO("this server was removed from the cluster and hands leadership over");
  parts_.host.hand_over([this] { under_way_ = false; });
}

void MembershipDuty::answer_removals() {
  std::list<Removal> waiting = std::exchange(removals_, {});
  if (waiting.empty()) return;
  const bool leads = parts_.host.is_leader();
  const bool done = leads && all_removed(view());
  for (Removal& each : waiting) {
    if (!leads) {
      each.done(error(Code::Unavailable, "this server does not lead any more; the next leader goes on with the removal"));
    } else if (done) {
      each.done({});
    } else if (parts_.loop.now() >= each.deadline) {
      each.done(error(Code::Timeout, "a server that left is still in the Raft configuration: {}",
                      held_back_.empty() ? "the change is not committed yet" : held_back_));
    } else {
      removals_.push_back(std::move(each));
    }
  }
}

void MembershipDuty::tell_held_back(const std::string& why) {
  if (why == held_back_) return;
  held_back_ = why;
  if (!why.empty()) LOG_WARN("a server that left the cluster is still counted", {"why", why});
}

}  // namespace mesh::server
