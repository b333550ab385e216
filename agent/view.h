// What the agent loop shows to the API and DNS loop: one immutable version of everything that a read needs. A new one
// is published whenever the replica, the local state or the connection changes; the old one stays valid for whoever
// holds it. Any thread may read and copy.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "agent/local_state.h"
#include "agent/member.h"
#include "base/time.h"
#include "model/catalog.h"

namespace mesh::agent {

struct AgentView {
  std::string datacenter;
  std::string domain;
  LocalState local;
  model::Catalog catalog;     // the replica; meaningless before replica_ready
  bool replica_ready = false;  // it has been whole once
  bool connected = false;     // the watch stream stands
  MonoTime fresh_at{};        // the catalog was current on the leader at this time, as far as this agent knows
  std::string leader;         // ADDRESS:PORT of the leader's RPC; empty: not known
  MembersPtr members = nullptr;  // by gossip, this host first; null: this agent does not gossip
  std::optional<Duration> clock_ahead{};  // of this host's clock before the servers'; none: not known
};
using AgentViewPtr = std::shared_ptr<const AgentView>;

}  // namespace mesh::agent
