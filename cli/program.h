// Runs another program of this host to its end: the daemon for what needs its code (init, join, leave), systemctl.
// Blocking; main thread only.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace mesh::cli {

inline constexpr std::size_t kProgramOutputMax = 1024 * 1024;  // more is not kept

struct ProgramOutput {
  int exit_status = 0;  // 128 + N: ended by signal N
  std::string out;
  std::string err;
};

// Standard input is this program's own. Errors: NotFound, Io.
[[nodiscard]] Result<ProgramOutput> run_program(const std::string& path, const std::vector<std::string>& words);

// The daemon beside this program: where it is installed, or in the tree where both were built. NotFound says where it
// was looked for.
[[nodiscard]] Result<std::string> find_daemon();

// Runs `meshd WORDS...`; what it says on the way is shown as it comes. Its last complaint becomes the error, with the code of its exit status.
[[nodiscard]] Result<std::string> run_daemon(const std::vector<std::string>& words);

}  // namespace mesh::cli
