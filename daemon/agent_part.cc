#include "daemon/agent_part.h"

#include <utility>

namespace mesh::daemon {

AgentPart::AgentPart(net::Loop& loop, MetricRegistry& metrics, UniqueFunction<void()> on_serving)
    : loop_(loop), metrics_(metrics), on_serving_(std::move(on_serving)), api_(metrics), rng_(0) {}

Status AgentPart::open(Options options, Connect connect, Rng rng) {
  options_ = std::move(options);
  rng_ = rng.fork();
  channel_ = connect(loop_);
  agent_ = std::make_unique<agent::Agent>(loop_, *channel_, rng.fork(), options_.agent,
                                          [this](agent::AgentViewPtr view) { on_view(std::move(view)); });
  MESH_TRY_STATUS(api_.open(options_.config, connect(api_.loop()), *agent_, loop_, rng.fork()));
  if (options_.membership) {
    MESH_TRY(sockets, api_.listen_steered());
    dns_ = sockets;
  }
  api_open_ = true;
  on_view(agent_->view());
  return {};
}

Status AgentPart::start() {
  api_.start();
  MESH_TRY_STATUS(agent_->start(options_.config.services));
  if (!options_.membership) return {};
  CHECK(agent_->disk() != nullptr, "a member without a data directory");
  Membership& member = *options_.membership;
  mesh_ = std::make_unique<MeshPart>(loop_, *member.pool, metrics_);
  MESH_TRY_STATUS(mesh_->open({.config = options_.config,
                               .files = std::move(member.files),
                               .node = std::move(member.node),
                               .on_identities = std::move(member.on_identities),
                               .on_servers = std::move(member.on_servers),
                               .dns = dns_,
                               .on_dns_answers = [this](UniqueFd raw) { api_.answer_steered_through(std::move(raw)); }},
                              *channel_, *agent_->disk(), rng_.fork()));
  mesh_->update(agent_->view());
  return {};
}

Status AgentPart::reload(const model::Config& config) { return agent_->replace_services(config.services); }

void AgentPart::drain(MonoTime deadline, UniqueFunction<void()> on_drained) {
  if (mesh_ == nullptr) return loop_.defer(std::move(on_drained));
  mesh_->drain(deadline, std::move(on_drained));
}

// The first views come from the agent's constructor, before there is an API to show them.
void AgentPart::on_view(agent::AgentViewPtr view) {
  if (!api_open_) return;
  const bool serves =
      view->replica_ready && !view->leader.empty() && view->catalog.node(options_.agent.node.id) != nullptr;
  if (mesh_ != nullptr) mesh_->update(view);
  api_.publish(std::move(view));
  if (!serves || !on_serving_) return;
  auto tell = std::exchange(on_serving_, {});
  tell();
}

void AgentPart::stop() {
  mesh_.reset();  // before the sockets that it has handed over
  api_.stop();
  agent_.reset();
  channel_.reset();
}

}  // namespace mesh::daemon
