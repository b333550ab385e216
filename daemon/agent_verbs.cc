#include "daemon/agent_verbs.h"

#include "daemon/command_line.h"
#include "daemon/node.h"

namespace mesh::daemon {
namespace {

Status run(const cli::Parsed& parsed, char** environment, OpenServerFolder open_folder) {
  if (parsed.command->path == "agent") return run_agent([&] { return config_of(parsed, environment); });
  MESH_TRY(config, config_of(parsed, environment));
  if (parsed.command->path == "join") return run_join(std::move(config), {flag_of(parsed, "token-file"), flag_of(parsed, "timeout")}, open_folder);
  return run_leave(std::move(config), open_folder);
}

}  // namespace

std::optional<int> run_agent_verb(const cli::Parsed& parsed, char** environment, OpenServerFolder open_folder) {
  const std::string_view verb = parsed.command->path;
  if (verb != "agent" && verb != "join" && verb != "leave") return std::nullopt;
  const Status status = run(parsed, environment, open_folder);
  return status.ok() ? 0 : fail(status.error());
}

}  // namespace mesh::daemon
