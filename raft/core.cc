#include "raft/core.h"

#include <utility>

#include "raft/node.h"

namespace mesh::raft {

std::string_view role_name(Role role) {
  switch (role) {
    case Role::Follower: return "follower";
    case Role::PreCandidate: return "pre-candidate";
    case Role::Candidate: return "candidate";
    case Role::Leader: return "leader";
  }
  return "unknown";
}

Core::Core(const CoreOptions& options, ServerId self, RecoveredState recovered, Rng rng, MonoTime now)
    : node_(std::make_unique<Node>(options, self, std::move(recovered), rng, now)) {}
Core::~Core() = default;

Actions Core::step(MonoTime now, Event event) { return node_->step(now, std::move(event)); }
MonoTime Core::next_deadline() const { return node_->next_deadline(); }
bool Core::lease_valid(MonoTime now) const { return node_->lease_valid(now); }

ServerId Core::self() const { return node_->self(); }
Role Core::role() const { return node_->view().role; }
Term Core::term() const { return node_->term(); }
ServerId Core::leader() const { return node_->view().leader; }
Index Core::commit() const { return node_->commit(); }
Index Core::applied() const { return node_->applied(); }
LogPosition Core::last() const { return node_->log().last(); }
Index Core::durable() const { return node_->durable(); }
LogPosition Core::base() const { return node_->log().base(); }
bool Core::damaged() const { return node_->damaged(); }
MonoTime Core::leader_heard() const { return node_->leader_heard(); }
const Configuration& Core::configuration() const { return node_->configuration(); }
bool Core::configuration_committed() const { return node_->configuration_committed(); }
std::vector<FollowerView> Core::followers() const { return node_->followers(); }
Term Core::term_at(Index index) const { return node_->log().term_at(index); }
void Core::check_invariants() const { node_->check_invariants(); }

}  // namespace mesh::raft
