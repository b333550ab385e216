#include "cli/commands/commands.h"

namespace mesh::cli {

namespace {

std::vector<Command> all_commands() {
  std::vector<Command> all;
  for (auto* list : {cluster_commands, token_commands, host_commands, services_commands, nodes_commands, members_commands, health_commands, kv_commands, intentions_commands,
                     doctor_commands, validate_commands, version_commands, completion_commands}) {
    auto part = list();
    std::move(part.begin(), part.end(), std::back_inserter(all));
  }
  return all;
}

}  // namespace

const Program& meshctl() {
  static const Program program = {
      .name = "meshctl",
      .summary = "look at and steer the mesh through this host's agent",
      .exit_status = "0 ok, 1 error, 2 usage, 3 not found, 4 denied, 5 agent or servers unreachable, 6 timeout",
      .common = {{.name = "json", .help = "print JSON instead of a table"},
                 {.name = "address",
                  .value = "ADDRESS",
                  .help = "the agent: HOST:PORT or unix:/PATH (also $MESHD_HTTP_ADDR)"},
                 {.name = "secret-file",
                  .value = "FILE",
                  .help = "file with the token to act with, where writing needs one (also $MESHD_TOKEN_FILE)"},
                 {.name = "timeout", .value = "TIME", .help = "give up after this time (default: 10s)"},
                 {.name = "help", .help = "show this command's help"}},
      .commands = all_commands()};
  return program;
}

Exit exit_of(Code code) {
  switch (code) {
    case Code::Invalid: return Exit::Usage;
    case Code::NotFound: return Exit::NotFound;
    case Code::Denied:
    case Code::Unauthenticated: return Exit::Denied;
    case Code::Unavailable: return Exit::Unreachable;
    case Code::Timeout: return Exit::Timeout;
    default: return Exit::Error;
  }
}

}  // namespace mesh::cli
