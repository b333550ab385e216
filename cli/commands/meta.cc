// Commands that need no agent: version, completion.
#include "base/version.h"
#include "cli/commands/commands.h"
#include "cli/help.h"
#include "cli/invocation.h"

namespace mesh::cli {
namespace {

Status show_version(Invocation& run) {
  if (run.json()) run.print_json(JsonValue(JsonMembers{{"Version", JsonValue(std::string(version()))}}));
  else run.print(fmt::format("meshctl {}\n", version()));
  return {};
}

Status completion(Invocation& run) {
  const std::string format = run.flag("format", "bash");
  if (format == "man") run.print(man_page(meshctl()));
  else if (format == "markdown") run.print(markdown(meshctl()));
  else run.print(bash_completion(meshctl()));
  return {};
}

}  // namespace

std::vector<Command> version_commands() {
  return {{.path = "version",
           .summary = "Print the version of meshctl",
           .examples = {{"meshctl version", "the version of this program"}},
           .run = show_version}};
}

std::vector<Command> completion_commands() {
  return {{.path = "completion",
           .summary = "Print the shell completion, the man page or the reference, made from the command table",
           .flags = {{.name = "format",
                      .value = "FORMAT",
                      .help = "what to print (default: bash)",
                      .choices = {"bash", "man", "markdown"}}},
           .examples = {{"meshctl completion > /etc/bash_completion.d/meshctl", "completion for all users"}},
           .run = completion}};
}

}  // namespace mesh::cli
