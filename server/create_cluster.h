// Makes a cluster, offline, with this host as its first server: identity, CA, first management token, Raft log. What the
// state is to begin with waits in the file init.command for the first leadership (docs/formats/server-identity.md).
//
// Blocks; any thread; one at a time per directory (file lock).
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "base/result.h"
#include "base/time.h"
#include "model/authority.h"
#include "model/command.h"

namespace mesh::server {

inline constexpr Duration kRootLife = hours(10 * 365 * 24);

// What was made. It holds secrets: the node's key and the management token are here and nowhere else.
struct CreatedCluster {
  std::string cluster_id;
  std::string datacenter;
  std::string domain;
  std::string node_id;  // a UUID, bound to the key
  std::string node_name;
  std::string node_key;          // PEM
  std::string node_certificate;  // PEM chain: leaf of the server, root
  model::CaRoot root;
  Bytes gossip_key;
  std::string management_token;  // the text that callers present
};

struct NewCluster {
  std::string data_dir;    // made if missing
  std::string cluster_id;  // a fresh UUID; empty: drawn here
  std::string datacenter = "dc1";
  std::string domain = "mesh";
  std::string node_name = "server";
  std::string rpc_address;  // ADDRESS:PORT that others dial; empty: the server tells it when it starts
  bool default_allow = false;
  // Keeps what the host needs as a node, and the management token, where a crash does not lose them. Called before the
  // cluster counts as made; if it fails nothing is made. It must replace what an interrupted attempt left.
  std::function<Status(const CreatedCluster&)> save = nullptr;
};

// An attempt that was interrupted, at any point, leaves no server, and the next call starts anew. Errors: Conflict (the
// directory is a server's, or holds a Raft log that no attempt of ours left), Invalid (a name or the cluster id), Io, those
// of `save`.
[[nodiscard]] Result<CreatedCluster> create_cluster(const NewCluster& cluster);

// The Init command that waits in the directory; none: it was done, or somebody else made the cluster. Errors: Corrupt, Io.
[[nodiscard]] Result<std::optional<model::Command>> read_init_command(const std::string& data_dir);
// It is in the state: the file may go.
void forget_init_command(const std::string& data_dir);

}  // namespace mesh::server
