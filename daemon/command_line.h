// The command tables of the daemons, and what their flags mean for the configuration.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "cli/command.h"
#include "model/config.h"

namespace mesh::daemon {

// `meshd`: what one host runs. meshd-server has the same verbs.
[[nodiscard]] const cli::Program& meshd();

// The value of a flag, the last one given.
[[nodiscard]] std::string flag_of(const cli::Parsed& parsed, std::string_view name, std::string_view otherwise = {});

// Configuration from flags and environment; for verbs other than dev also from files: --config, which
// must exist if given, and --conf-dir.
[[nodiscard]] Result<model::Config> config_of(const cli::Parsed& parsed, char** environment);

// Parses the words and runs what needs no loop: help, version, validate. Gives the parsed line if there is more to do,
// else the exit status.
struct CommandLine {
  cli::Parsed parsed;
  int exit_status = 0;
  bool done = false;
};
[[nodiscard]] CommandLine read_command_line(int argc, char** argv);

// "meshd: message" on stderr; the exit status of the error.
int fail(const Error& error);

}  // namespace mesh::daemon
