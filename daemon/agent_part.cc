#include "daemon/agent_part.h"

#include <utility>

namespace mesh::daemon {

AgentPart::AgentPart(net::Loop& loop, MetricRegistry& metrics, UniqueFunction<void()> on_serving)
    : loop_(loop), metrics_(metrics), on_serving_(std::move(on_serving)), api_(metrics), doctor_(loop, [this] { return facts(); }), rng_(0) {}

Status AgentPart::open(Options options, Connect connect, Rng rng) {
  options_ = std::move(options);
  rng_ = rng.fork();
  channel_ = connect(loop_);
  agent_ = std::make_unique<agent::Agent>(loop_, *channel_, rng.fork(), options_.agent,
                                          [this](agent::AgentViewPtr view) { on_view(std::move(view)); });
  MESH_TRY_STATUS(api_.open(options_.config, connect(api_.loop()), *agent_, loop_, examine(), rng.fork()));
  http_at_ = api_.http_endpoints();
  dns_at_ = api_.dns_addresses();
  if (options_.membership) {
    agent_->set_on_removed(std::move(options_.membership->on_removed));
    server_ = options_.membership->node.record.kind == model::JoinKind::Server;
    MESH_TRY(sockets, api_.listen_steered());
    dns_ = sockets;
  }
  api_open_ = true;
  on_view(agent_->view());
  return options_.membership ? open_gossip() : Status();
}

Status AgentPart::open_gossip() {
  CHECK(agent_->disk() != nullptr, "a member without a data directory");
  MESH_TRY(opened, GossipPart::open(loop_, *agent_->disk(), metrics_,
                                    {.config = options_.config,
                                     .node = options_.membership->node,
                                     .on_members = [this](agent::MembersPtr members) { agent_->set_members(std::move(members)); },
                                     .on_event = std::move(options_.membership->on_member_event)}));
  gossip_ = std::move(opened);
  return {};
}

Status AgentPart::start() {
  MESH_TRY_STATUS(agent_->start(options_.config.services));
  api_.start();  // now it knows the catalog of the last run: nobody is told that there is none
  if (!options_.membership) return {};
  gossip_->join();
  return open_mesh();
}

Status AgentPart::open_mesh() {
  Membership& member = *options_.membership;
  mesh_ = std::make_unique<MeshPart>(loop_, *member.pool, metrics_);
  MESH_TRY_STATUS(mesh_->open({.config = options_.config,
                               .files = std::move(member.files),
                               .node = std::move(member.node),
                               .on_identities = std::move(member.on_identities),
                               .on_servers = [this](const std::vector<std::string>& servers) { servers_told(servers); },
                               .dns = dns_,
                               .on_dns_answers = [this](UniqueFd raw) { api_.answer_steered_through(std::move(raw)); }},
                              *channel_, *agent_->disk(), rng_.fork()));
  mesh_->update(agent_->view());
  return {};
}

void AgentPart::servers_told(const std::vector<std::string>& servers) {
  gossip_->set_servers(servers);
  if (options_.membership->on_servers) options_.membership->on_servers(servers);
}

void AgentPart::suspect(std::string_view node_id) {
  if (gossip_ != nullptr) gossip_->suspect(node_id);
}

Status AgentPart::reload(const model::Config& config) { return agent_->replace_services(config.services); }

agent::DoctorFacts AgentPart::facts() {
  DoctorSources sources{.config = options_.config, .view = *agent_->view(), .http = http_at_, .dns = dns_at_};
  if (mesh_ != nullptr) {
    sources.mesh = mesh_.get();
    sources.server = server_;
    sources.link = options_.membership->describe_link();
  }
  return facts_from(sources, loop_.now());
}

// From the API loop to the doctor on the agent loop, and back.
agent::Examine AgentPart::examine() {
  return [this](agent::ExamineDone done) {
    loop_.post([this, done = std::move(done)]() mutable {
      doctor_.examine([api = api_.loop().ref(), done = std::move(done)](Result<model::Diagnosis> diagnosis) mutable {
        api.post([done = std::move(done), diagnosis = std::move(diagnosis)]() mutable { done(std::move(diagnosis)); });
      });
    });
  };
}

// The good-bye goes first, so that others stop sending while what is open ends.
void AgentPart::drain(MonoTime deadline, UniqueFunction<void()> on_drained) {
  if (mesh_ == nullptr) return loop_.defer(std::move(on_drained));
  on_drained_ = std::move(on_drained);
  draining_ = 2;
  gossip_->leave([this] { drained(); });
  mesh_->drain(deadline, [this] { drained(); });
}

void AgentPart::drained() {
  if (--draining_ == 0) on_drained_();
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
  gossip_.reset();
  api_.stop();
  agent_.reset();
  channel_.reset();
}

}  // namespace mesh::daemon
