// meshd, the agent's program: what needs the replicated store (server, init, dev; join and leave, where it is installed) is
// done by meshd-server beside it, so that an agent carries no RocksDB.
#include <unistd.h>

#include <cerrno>
#include <string>

#include "base/result.h"
#include "daemon/agent_verbs.h"
#include "daemon/command_line.h"

namespace {

// The folder of this program's file, also when it was found by $PATH.
std::string own_folder() {
  char path[4096];
  const ssize_t size = readlink("/proc/self/exe", path, sizeof path);
  if (size <= 0) return ".";
  const std::string text(path, static_cast<std::size_t>(size));
  return text.substr(0, text.rfind('/'));
}

}  // namespace

int main(int argc, char** argv) {
  const auto line = mesh::daemon::read_command_line(argc, argv);
  if (line.done) return line.exit_status;
  const std::string sibling = own_folder() + "/meshd-server";
  // Whether a host joins or leaves as a server is known only on the way.
  const std::string_view verb = line.parsed.command->path;
  if ((verb == "join" || verb == "leave") && access(sibling.c_str(), X_OK) == 0) execv(sibling.c_str(), argv);
  if (const auto exit_status = mesh::daemon::run_agent_verb(line.parsed, environ, nullptr)) return *exit_status;
  execv(sibling.c_str(), argv);
  return mesh::daemon::fail(mesh::error(mesh::Code::NotFound, "{}: {}; 'meshd {}' needs the package meshd-server",
                                        sibling, mesh::io_error("cannot be run", errno).message,
                                        line.parsed.command->path));
}
