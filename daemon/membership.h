// The verbs that make a mesh, bring this host into one, and out of it again. Each prints a JSON object for meshctl. Blocking;
// main thread; no daemon may run on the data directory (Conflict).
#pragma once

#include <memory>
#include <string>

#include "agent/identity/node_files.h"
#include "base/result.h"
#include "model/config.h"
#include "model/protocol.h"

namespace mesh::daemon {

// `meshd init`, in meshd-server only: a cluster with this host as its first server. default_action: "allow" or "deny".
// Errors: create_cluster's, NodeFiles'.
[[nodiscard]] Status run_init(model::Config config, const std::string& default_action);

// What a server keeps besides in the data directory; only meshd-server can make or remove it.
class ServerFolder {
 public:
  virtual ~ServerFolder() = default;
  // Conflict: the directory cannot become a server of the cluster on this node (empty: on a new one).
  [[nodiscard]] virtual Status check(const std::string& cluster_id, const std::string& node_id) = 0;
  [[nodiscard]] virtual Status make(const agent::NodeRecord& record, const model::JoinResponse& response) = 0;
  [[nodiscard]] virtual Status remove() = 0;
};
using OpenServerFolder = std::unique_ptr<ServerFolder> (*)(const std::string& data_dir);

// `meshd join`. token_file: a path, or - for standard input. Without open_folder a token that makes a server is refused.
// Errors: those of join_cluster; Conflict, of ServerFolder.
struct JoinWish {
  std::string token_file;
  std::string timeout;  // as --timeout has it; empty: the default
};
[[nodiscard]] Status run_join(model::Config config, const JoinWish& wish, OpenServerFolder open_folder);

// `meshd leave`: removes what NodeFiles, the agent and a server keep. Precondition: not joined, or a server without
// open_folder.
[[nodiscard]] Status run_leave(model::Config config, OpenServerFolder open_folder);

}  // namespace mesh::daemon
