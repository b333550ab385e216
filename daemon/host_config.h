// What a daemon's configuration leaves open and the host decides: its name, its address, who owns its files. Blocking;
// for the start of a process.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "model/config.h"

namespace mesh::daemon {

// Fills in node, bind and advertise. Errors: Precondition, with the key to set, if the host has no usable name or no
// default route.
[[nodiscard]] Status complete(model::Config& config);

// The keys that differ and take effect at the next start only; both as read, before complete().
[[nodiscard]] std::vector<std::string_view> keys_for_restart(const model::Config& before, const model::Config& after);

// ADDRESS:PORT that other hosts dial for server RPC.
[[nodiscard]] std::string rpc_address(const model::Config& config);

// Gives a folder with all it holds to the user "meshd", under which the units run, if this process may do so and the user
// exists; else nothing is changed. Errors: Io.
[[nodiscard]] Status give_to_daemon_user(const std::string& folder);

}  // namespace mesh::daemon
