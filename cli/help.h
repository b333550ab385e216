// Texts made from the command table: help, man page, bash completion and docs/cli.md. Pure functions; any thread.
#pragma once

#include <string>

#include "cli/command.h"

namespace mesh::cli {

[[nodiscard]] std::string overview_text(const Program& program, std::string_view noun = {});  // PROGRAM --help, PROGRAM NOUN --help
[[nodiscard]] std::string command_text(const Program& program, const Command& command);  // PROGRAM VERB --help
[[nodiscard]] std::string man_page(const Program& program);                              // roff, section 1
[[nodiscard]] std::string bash_completion(const Program& program);
[[nodiscard]] std::string markdown(const Program& program);                              // docs/cli.md

// "meshctl services register FILE [--json]"
[[nodiscard]] std::string usage_line(const Program& program, const Command& command);

}  // namespace mesh::cli
