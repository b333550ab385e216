#include "cli/commands/commands.h"
#include "cli/invocation.h"
#include "model/config.h"

namespace mesh::cli {
namespace {

Status validate(Invocation& run) {
  const std::string& path = run.argument(0);
  MESH_TRY(config, model::load_config({.file = path, .directory = run.flag("conf-dir"), .environment = {}, .flags = {}, .may_be_pipe = true}));
  const std::size_t services = config.services.size();
  if (run.json()) {
    run.print_json(JsonValue(JsonMembers{{"Valid", JsonValue(true)},
                                         {"Services", JsonValue(static_cast<std::int64_t>(services))}}));
  } else {
    run.print(fmt::format("{} is valid; {} service{}\n", path, services, services == 1 ? "" : "s"));
  }
  return {};
}

}  // namespace

std::vector<Command> validate_commands() {
  return {{.path = "validate",
           .summary = "Check a configuration file and show all its faults at once",
           .arguments = {{.name = "FILE", .help = "a meshd.yaml or a file of conf.d"}},
           .flags = {{.name = "conf-dir", .value = "DIR", .help = "together with the *.yaml of this folder"}},
           .examples = {{"meshctl validate /etc/meshd/meshd.yaml", "says where what is wrong, and what to try"}},
           .run = validate}};
}

}  // namespace mesh::cli
