// `meshd dev`: a cluster of one server, and an agent, in one process on loopback, with their data in a temporary
// folder. The loops and who talks to whom are those of a real host; only the RPC transport is the in-process one.
#pragma once

#include "base/result.h"
#include "model/config.h"

namespace mesh::daemon {

// Serves until SIGINT or SIGTERM, on the calling thread (the agent loop). Prints one line on stdout when clients are
// served: "meshd dev: ready; HTTP ADDRESS, DNS ADDRESS, data FOLDER". Errors: what kept it from starting, or the fault
// that ended the server.
[[nodiscard]] Status run_dev(const model::Config& config);

}  // namespace mesh::daemon
