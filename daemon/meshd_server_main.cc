// meshd-server: server and agent in one process.
#include <unistd.h>

#include "daemon/agent_verbs.h"
#include "daemon/command_line.h"
#include "daemon/dev.h"
#include "daemon/membership.h"
#include "daemon/node.h"
#include "daemon/server_folder.h"

namespace mesh::daemon {
namespace {

Status run(const cli::Parsed& parsed) {
  if (parsed.command->path == "server") return run_server([&parsed] { return config_of(parsed, environ); });
  MESH_TRY(config, config_of(parsed, environ));
  if (parsed.command->path == "init") return run_init(std::move(config), flag_of(parsed, "default", "deny"));
  CHECK(parsed.command->path == "dev", "no program for {}", parsed.command->path);
  return run_dev(config);
}

}  // namespace
}  // namespace mesh::daemon

int main(int argc, char** argv) {
  const auto line = mesh::daemon::read_command_line(argc, argv);
  if (line.done) return line.exit_status;
  if (const auto exit_status = mesh::daemon::run_agent_verb(line.parsed, environ, mesh::daemon::open_server_folder)) return *exit_status;
  const mesh::Status status = mesh::daemon::run(line.parsed);
  return status.ok() ? 0 : mesh::daemon::fail(status.error());
}
