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
  hand_over_pause_ = kHandOverPause;
  hand_over_after_ = {};
  led_since_ = parts_.loop.now();
  if (parts_.host.is_leader()) return timer_.start_after(Duration::zero());
  timer_.stop();
  voters_.set(0);
  learners_.set(0);
  // From the loop: the role changes in the middle of a step of Raft.
  if (!removals_.empty()) timer_.start_after(Duration::zero());
}

MembershipView MembershipDuty::view() const {
  Leadership leadership{led_since_, std::nullopt};
  if (const Leaving leaving = leaving_.lock()) leadership.leaving = *leaving;
  return membership_view(parts_.host.core(), parts_.state(), leadership, parts_.loop.now());
}

Status MembershipDuty::check_removal(raft::ServerId server) const {
  if (!parts_.host.serves()) return error(Code::Unavailable, "this server does not lead");
  if (removals_.size() >= kRemovalsMax)
    return error(Code::Overloaded, "more than {} removals of servers are waited for", kRemovalsMax);
  return check_may_leave(view(), server);
}

void MembershipDuty::take_out(raft::ServerId server, MonoTime deadline, UniqueFunction<void(Result<Leaving>)> done) {
  Leaving leaving = leaving_.lock();
  CHECK(leaving == nullptr || *leaving == server, "servers {} and {} leave at a time", leaving->value(), server.value());
  if (leaving == nullptr) leaving = std::make_shared<const raft::ServerId>(server);
  leaving_ = leaving;
  removals_.push_back({std::move(leaving), deadline, std::move(done)});
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
  if (step.kind == MembershipStep::Kind::HandOver) return hand_over();
  tell_held_back(step.held_back);
  if (step.kind == MembershipStep::Kind::Change) carry_out(step);
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
  if (parts_.loop.now() < hand_over_after_) return;
  under_way_ = true;
  if (held_back_.empty()) LOG_INFO("this server was removed from the cluster and hands leadership over");
  parts_.host.hand_over([this](const Status& status) { on_handed_over(status); });
}

void MembershipDuty::on_handed_over(const Status& status) {
  under_way_ = false;
  if (!parts_.host.is_leader()) return;
  hand_over_after_ = parts_.loop.now() + hand_over_pause_;
  hand_over_pause_ = std::min(hand_over_pause_ * 2, kHandOverPauseMax);
  tell_held_back(status.ok() ? "it leads, and no other server took over" : status.error().message);
}

void MembershipDuty::answer_removals() {
  std::list<Removal> waiting = std::exchange(removals_, {});
  if (waiting.empty()) return;
  const bool leads = parts_.host.is_leader();
  const bool out = leads && is_out(view(), *waiting.front().server);  // all wait for the same one
  for (Removal& each : waiting) {
    if (!leads) {
      each.done(error(Code::Unavailable, "this server does not lead any more"));
    } else if (out) {
      each.done(std::move(each.server));
    } else if (parts_.loop.now() >= each.deadline) {
      each.done(error(Code::Timeout, "Raft has not let the server go: {}",
                      held_back_.empty() ? "the change is not committed yet" : held_back_));
    } else {
      removals_.push_back(std::move(each));
    }
  }
}

void MembershipDuty::tell_held_back(const std::string& why) {
  if (why == held_back_) return;
  held_back_ = why;
  if (!why.empty()) LOG_WARN("a server that is to leave is still counted", {"why", why});
}

}  // namespace mesh::server
