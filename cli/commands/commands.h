// The commands of each noun, for the table. To add a noun: a function here, its file, a line in command_table.cc.
#pragma once

#include <vector>

#include "cli/command.h"

namespace mesh::cli {

[[nodiscard]] std::vector<Command> cluster_commands();
[[nodiscard]] std::vector<Command> token_commands();
[[nodiscard]] std::vector<Command> host_commands();     // join, leave
[[nodiscard]] Command cluster_init_command();           // of the noun cluster
[[nodiscard]] std::vector<Command> services_commands();
[[nodiscard]] std::vector<Command> nodes_commands();
[[nodiscard]] std::vector<Command> members_commands();
[[nodiscard]] std::vector<Command> health_commands();
[[nodiscard]] std::vector<Command> kv_commands();
[[nodiscard]] std::vector<Command> intentions_commands();
[[nodiscard]] std::vector<Command> doctor_commands();
[[nodiscard]] std::vector<Command> validate_commands();
[[nodiscard]] std::vector<Command> version_commands();
[[nodiscard]] std::vector<Command> completion_commands();

// Run of 'members', which 'cluster members' is too.
[[nodiscard]] Status list_members(Invocation& run);

}  // namespace mesh::cli
