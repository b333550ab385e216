#include "tests/sim/member_host.h"

#include "server/members.h"
#include "tests/sim/outcome.h"

namespace mesh::sim {
namespace {

constexpr Duration kRemovalTime = seconds(10);
constexpr Duration kRepeatAfter = seconds(1);  // a proposal without effect
constexpr Duration kHealthRest = milliseconds(300);

// Shorter than the product's, so that a run meets them all.
constexpr server::NodeHealthOptions kHealth{
    .settle = seconds(1), .absent_grace = seconds(3), .doubt = seconds(3), .doubt_min = 3};

}  // namespace

void MemberHost::on_start() {
  plan_.reset();
  leaving_.reset();
  health_.emplace(kHealth, node_id_);
  health_->gossip_started(server_.process().now());
}

void MemberHost::on_leads() {
  plan_.reset();
  leaving_.reset();
  led_since_ = server_.process().now();
  health_->lead();
  health_rests_until_ = {};
}

void MemberHost::look() {
  if (!leads()) return leaving_.reset();
  go_on_with_removal();
  keep_members();
  keep_health();
}

bool MemberHost::leads() const {
  const raft::Core* core = server_.core();
  return core != nullptr && core->role() == raft::Role::Leader && core->term_at(core->applied()) == core->term();
}

server::MembershipView MemberHost::view() const {
  server::Leadership leadership{led_since_, std::nullopt};
  if (leaving_) leadership.leaving = leaving_->id;
  return server::membership_view(*server_.core(), state(), leadership, server_.process().now());
}

// As RpcService and MembershipDuty do.
void MemberHost::remove(const std::string& node_id) {
  if (!leads()) return;
  const model::Server* row = state().catalog().server_on(model::NodeId(node_id));
  if (row == nullptr || !server::check_not_last_server(state(), model::NodeId(node_id)).ok()) return;
  const raft::ServerId id(row->server_id);
  if (!server::check_may_leave(view(), id).ok()) return;
  TRACE(queue_, "members: server {} is asked to remove {}", host_, host_of(id));
  if (id == server_.core()->self()) return server_.transfer(raft::kNoServer);
  if (!leaving_) leaving_ = Leaving{id, node_id, server_.process().now() + kRemovalTime};
}

void MemberHost::go_on_with_removal() {
  if (!leaving_) return;
  const MonoTime now = server_.process().now();
  if (state().servers().find(model::server_key(leaving_->id.value())) == nullptr) return leaving_.reset();
  if (leaving_->proposed && now - *leaving_->proposed < kRepeatAfter) return;
  if (!leaving_->proposed && !server::is_out(view(), leaving_->id)) {
    if (now >= leaving_->deadline) leaving_.reset();
    return;
  }
  TRACE(queue_, "members: server {} ends the row of {}", host_, host_of(leaving_->id));
  leaving_->proposed = now;
  model::MemberRevokeCommand body;
  body.node_id = model::NodeId(leaving_->node_id);
  server_.propose(model::make_command(std::move(body)));
}

void MemberHost::keep_members() {
  if (!leads()) return;
  const server::MembershipView seen = view();
  const server::MembershipStep step = plan_.next(seen);
  if (step.kind == server::MembershipStep::Kind::HandOver) return server_.transfer(raft::kNoServer);
  if (step.kind != server::MembershipStep::Kind::Change) return;
  TRACE(queue_, "members: server {} proposes change {} of {}", host_, static_cast<int>(step.change.kind), host_of(step.change.server));
  on_change_(host_, seen, step.change);
  server_.change_membership(step.change);
}

void MemberHost::keep_health() {
  const MonoTime now = server_.process().now();
  if (!leads() || now < health_rests_until_) return;
  model::NodeHealthCommand body;
  body.verdicts = health_->decide(now, state());
  if (body.verdicts.empty()) return;
  health_rests_until_ = now + kHealthRest;
  server_.propose(model::make_command(std::move(body)));
}

}  // namespace mesh::sim
