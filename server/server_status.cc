#include "server/server_status.h"

#include <algorithm>
#include <map>

namespace mesh::server {

namespace {

model::ServerRole role_of(const raft::Core& core, raft::ServerId server) {
  if (server == core.leader()) return model::ServerRole::Leader;
  if (core.configuration().is_voter(server)) return model::ServerRole::Voter;
  if (core.configuration().is_learner(server)) return model::ServerRole::Learner;
  return model::ServerRole::None;
}

void add_contact(model::ServerStatus& status, const raft::FollowerView& seen, const raft::Core& core, MonoTime now) {
  status.last_contact = std::max(now - seen.heard, Duration::zero());
  status.lag = core.last().index.value() - std::min(seen.match.value(), core.last().index.value());
}

}  // namespace

std::vector<std::string> server_addresses(const State& state) {
  std::vector<std::string> out;
  state.servers().each({}, [&](const Bytes&, const model::Server& row) {
    if (!row.address.empty()) out.push_back(row.address);
  });
  return out;
}

std::vector<std::string> voter_addresses(const State& state, const raft::Configuration& configuration) {
  std::vector<std::string> out;
  for (const raft::ServerId voter : configuration.voters) {
    if (std::string address = server_address(state, voter); !address.empty()) out.push_back(std::move(address));
  }
  return out;
}

std::string server_address(const State& state, raft::ServerId server) {
  const model::Server* row = state.servers().find(model::server_key(server.value()));
  return row == nullptr ? std::string() : row->address;
}

std::vector<model::ServerStatus> server_statuses(const State& state, const raft::Core& core, MonoTime now) {
  std::map<raft::ServerId, model::ServerStatus> servers;
  state.servers().each({}, [&](const Bytes&, const model::Server& row) {
    model::ServerStatus& status = servers[raft::ServerId(row.server_id)];
    status.node_id = row.node_id.text();
    status.name = row.name;
    status.address = row.address;
  });
  for (const auto* members : {&core.configuration().voters, &core.configuration().learners}) {
    for (const raft::ServerId member : *members) servers.try_emplace(member);
  }
  for (const raft::FollowerView& seen : core.followers()) add_contact(servers[seen.id], seen, core, now);
  std::vector<model::ServerStatus> out;
  for (auto& [id, status] : servers) {
    status.server_id = id.value();
    status.role = role_of(core, id);
    out.push_back(std::move(status));
  }
  return out;
}

}  // namespace mesh::server
