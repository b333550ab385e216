// Makes a host that was let in with a server token (agent/identity/join.h) a server of the cluster, offline: ca.key, an empty
// Raft log and server.json. The log has no voters, so the host never makes a cluster of its own, and waits for the leader.
//
// Blocks; any thread.
#pragma once

#include <string>

#include "base/result.h"
#include "server/identity.h"

namespace mesh::server {

// An attempt that was interrupted, at any point, leaves no server, and may be repeated; so may one that was finished, with
// the same identity. Errors: begin_server's; Corrupt (ca_key is none), Invalid (the identity is none).
[[nodiscard]] Status join_cluster(const std::string& data_dir, const ServerIdentity& identity, const std::string& ca_key);

// Whether the directory may become this cluster's server. Conflict: it is another one's, or in use.
[[nodiscard]] Status check_can_join(const std::string& data_dir, const std::string& cluster_id, const std::string& node_id);

}  // namespace mesh::server
