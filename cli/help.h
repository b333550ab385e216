// Texts made from the command table: help, man page, bash completion and docs/cli.md. Pure functions; any thread.
#pragma once

#include <span>
#include <string>

#include "cli/command.h"

namespace mesh::cli {

[[nodiscard]] std::string overview_text(std::span<const Command> commands);   // meshctl --help
[[nodiscard]] std::string command_text(const Command& command);               // meshctl VERB --help
[[nodiscard]] std::string man_page(std::span<const Command> commands);        // roff, section 1
[[nodiscard]] std::string bash_completion(std::span<const Command> commands);
[[nodiscard]] std::string markdown(std::span<const Command> commands);        // docs/cli.md

// "meshctl services register FILE [--json]"
[[nodiscard]] std::string usage_line(const Command& command);

}  // namespace mesh::cli
