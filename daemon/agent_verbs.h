// The verbs that both programs have: agent, join, leave.
#pragma once

#include <optional>

#include "cli/command.h"

namespace mesh::daemon {

// Runs the verb if it is one of these; its exit status.
[[nodiscard]] std::optional<int> run_agent_verb(const cli::Parsed& parsed, char** environment);

}  // namespace mesh::daemon
