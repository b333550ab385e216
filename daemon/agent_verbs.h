// The verbs that both programs have: agent, join, leave.
#pragma once

#include <optional>

#include "cli/command.h"
#include "daemon/membership.h"

namespace mesh::daemon {

// Runs the verb if it is one of these; its exit status. open_folder: how a server's files are made and removed; null in the
// program that cannot.
[[nodiscard]] std::optional<int> run_agent_verb(const cli::Parsed& parsed, char** environment, OpenServerFolder open_folder);

}  // namespace mesh::daemon
