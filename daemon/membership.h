// The verbs that make a mesh, bring this host into one, and out of it again. Each prints a JSON object for meshctl. Blocking;
// main thread; no daemon may run on the data directory (Conflict).
#pragma once

#include <string>

#include "base/result.h"
#include "model/config.h"

namespace mesh::daemon {

// `meshd init`, in meshd-server only: a cluster with this host as its first server. default_action: "allow" or "deny".
// Errors: create_cluster's, NodeFiles'.
[[nodiscard]] Status run_init(model::Config config, const std::string& default_action);

// `meshd join`. token_file: a path, or - for standard input. Errors: those of join_cluster.
[[nodiscard]] Status run_join(model::Config config, const std::string& token_file);

// `meshd leave`: removes what NodeFiles and the agent keep. Precondition: not joined, or a server.
[[nodiscard]] Status run_leave(model::Config config);

}  // namespace mesh::daemon
