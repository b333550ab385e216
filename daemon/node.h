// `meshd agent` and `meshd server`: a host that has joined a mesh, until SIGTERM or SIGINT. Main thread; blocks until then.
#pragma once

#include <functional>

#include "base/result.h"
#include "model/config.h"

namespace mesh::daemon {

// Reads the configuration, again at each SIGHUP; a wrong one is refused as a whole and the one in force stays.
using ConfigReader = std::function<Result<model::Config>()>;

// Errors: what kept it from starting. Not joined: says how to.
[[nodiscard]] Status run_agent(const ConfigReader& read_config);
// In meshd-server only. Also the fault that ended the server.
[[nodiscard]] Status run_server(const ConfigReader& read_config);

}  // namespace mesh::daemon
