// meshd-server: server and agent in one process.
#include <unistd.h>

#include "daemon/command_line.h"
#include "daemon/dev.h"

int main(int argc, char** argv) {
  const auto line = mesh::daemon::read_command_line(argc, argv);
  if (line.done) return line.exit_status;
  const auto config = mesh::daemon::config_of(line.parsed, environ);
  if (!config.ok()) return mesh::daemon::fail(config.error());
  const mesh::Status status = mesh::daemon::run_dev(*config);
  return status.ok() ? 0 : mesh::daemon::fail(status.error());
}
