#include "server/node_health.h"

#include <algorithm>

#include "base/mutant.h"
#include "server/validate.h"

namespace mesh::server {

namespace {

constexpr std::string_view kWell = "Agent alive and reachable";  // these two in Consul's words
constexpr std::string_view kGone = "Agent not live or unreachable";
constexpr std::string_view kStopped = "Agent was stopped";

model::NodeVerdict make_verdict(const std::string& node_id, model::CheckStatus status, std::string_view output) {
  model::NodeVerdict out;
  out.node_id = model::NodeId(node_id);
  out.status = status;
  out.output = std::string(output);
  return out;
}

}  // namespace

void NodeHealth::on_member(const gossip::MemberEvent& event) {
  const std::string id = event.member.id.to_string();
  if (event.kind == gossip::MemberEventKind::Forgotten) members_.erase(id);
  else members_.insert_or_assign(id, event.member.state);
}

void NodeHealth::lead() {
  if (MESH_MUTANT(HealthForgotten)) members_.clear();
  absent_since_.clear();
  doubt_since_ = kNever;
}

std::vector<model::NodeVerdict> NodeHealth::decide(MonoTime now, const State& state) {
  std::vector<model::NodeVerdict> out;
  deadline_ = kNever;
  if (!gossip_since_) return out;
  const std::vector<Node> nodes = look(state);
  note_absent(now, nodes);
  note_doubt(now, nodes);
  for (const Node& node : nodes) {
    const auto status = verdict(now, node);
    if (!status || out.size() == kVerdictsMax) continue;
    std::string_view output = kWell;
    if (*status != model::CheckStatus::Passing) output = node.standing == Standing::Left ? kStopped : kGone;
    if (node.check != nullptr && node.check->status == *status && node.check->output == output) continue;
    out.push_back(make_verdict(*node.id, *status, output));
  }
  return out;
}

std::vector<NodeHealth::Node> NodeHealth::look(const State& state) const {
  std::vector<Node> out;
  for (const model::Node* node : state.catalog().nodes()) {
    const model::Member* member = state.member(node->id);
    if (member == nullptr || member->revoked_at) continue;
    out.push_back({&node->id.text(), standing_of(node->id.text()), state.catalog().check(node->id, model::kSerfHealth)});
  }
  return out;
}

NodeHealth::Standing NodeHealth::standing_of(const std::string& node_id) const {
  if (node_id == self_) return Standing::Well;
  const auto member = members_.find(node_id);
  if (member == members_.end()) return Standing::Unknown;
  switch (member->second) {
    case gossip::MemberState::Alive:
    case gossip::MemberState::Suspect:
      return Standing::Well;
    case gossip::MemberState::Failed:
      return Standing::Failed;
    case gossip::MemberState::Left:
      break;
  }
  return Standing::Left;
}

void NodeHealth::note_absent(MonoTime now, const std::vector<Node>& nodes) {
  std::map<std::string, MonoTime, std::less<>> absent;
  for (const Node& node : nodes) {
    if (node.standing != Standing::Unknown) continue;
    const auto before = absent_since_.find(*node.id);
    absent.emplace(*node.id, before == absent_since_.end() ? now : before->second);
  }
  absent_since_ = std::move(absent);
}

void NodeHealth::note_doubt(MonoTime now, const std::vector<Node>& nodes) {
  const auto failed = static_cast<std::size_t>(std::count_if(nodes.begin(), nodes.end(), [](const Node& node) {
    return node.standing == Standing::Failed || node.standing == Standing::Unknown;
  }));
  const bool most = failed >= options_.doubt_min && 2 * failed > nodes.size();
  if (!most) doubt_since_ = kNever;
  else if (doubt_since_ == kNever) doubt_since_ = now;
}

// None: as it is.
std::optional<model::CheckStatus> NodeHealth::verdict(MonoTime now, const Node& node) {
  switch (node.standing) {
    case Standing::Well:
      return model::CheckStatus::Passing;
    case Standing::Left:
      return model::CheckStatus::Critical;
    case Standing::Failed:
      if (!reached(now, *gossip_since_ + options_.settle)) return std::nullopt;
      break;
    case Standing::Unknown:
      if (!reached(now, absent_since_.at(*node.id) + options_.absent_grace)) return std::nullopt;
      break;
  }
  const Duration doubt = MESH_MUTANT(HealthDoubtsForEver) ? hours(1) : options_.doubt;
  if (doubting() && !reached(now, doubt_since_ + doubt)) return std::nullopt;
  return model::CheckStatus::Critical;
}

// Whether a time has come; if not, it is a deadline.
bool NodeHealth::reached(MonoTime now, MonoTime when) {
  if (now >= when) return true;
  deadline_ = std::min(deadline_, when);
  return false;
}

}  // namespace mesh::server
