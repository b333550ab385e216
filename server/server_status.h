// What a server tells of the cluster's servers. Pure; any thread that may read the core.
#pragma once

#include <string>
#include <vector>

#include "base/time.h"
#include "model/protocol.h"
#include "raft/core.h"
#include "server/state.h"

namespace mesh::server {

// RPC addresses by the rows, in order of id: of all servers, of those that vote, of one (empty: not known).
[[nodiscard]] std::vector<std::string> server_addresses(const State& state);
[[nodiscard]] std::vector<std::string> voter_addresses(const State& state, const raft::Configuration& configuration);
[[nodiscard]] std::string server_address(const State& state, raft::ServerId server);

// Every server that has a row or is a member of Raft. A leader tells of the others how long ago they were heard and what they
// lack.
[[nodiscard]] std::vector<model::ServerStatus> server_statuses(const State& state, const raft::Core& core, MonoTime now);

}  // namespace mesh::server
