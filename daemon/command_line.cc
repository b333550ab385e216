#include "daemon/command_line.h"

#include <cstdio>

#include "base/version.h"
#include "cli/help.h"

namespace mesh::daemon {
namespace {

// Settings as flags; `dev` keeps its data in a folder of its own.
std::vector<cli::Flag> setting_flags() {
  std::vector<cli::Flag> flags;
  for (const model::Setting& setting : model::settings()) {
    if (setting.flag == "data-dir" || setting.flag == "run-dir") continue;
    flags.push_back({.name = setting.flag, .value = setting.value, .help = setting.help});
  }
  return flags;
}

std::vector<cli::Command> commands() {
  return {
      {.path = "dev",
       .summary = "A server and an agent on loopback, for one person's machine",
       .details = "Needs no root and no configuration. Data is kept in a folder that is removed at the end (Ctrl-C).\n"
                  "Every local program may write; this is not a way to run a site.",
       .flags = setting_flags(),
       .examples = {{"meshd dev", "HTTP API on 127.0.0.1:8500, DNS on 127.0.0.1:8600"},
                    {"meshd dev --http-port 0 --dns-port 0", "on any free ports, told on the first line"}}},
      {.path = "validate",
       .summary = "Check a configuration file and show all its faults at once",
       .arguments = {{.name = "FILE", .help = "a meshd.yaml or a file of conf.d"}},
       .flags = {{.name = "conf-dir", .value = "DIR", .help = "together with the *.yaml of this folder"}},
       .examples = {{"meshd validate /etc/meshd/meshd.yaml", "says where what is wrong, and what to try"}}},
      {.path = "version",
       .summary = "Print the version",
       .examples = {{"meshd version", "the version of this program"}}},
  };
}

void print(std::FILE* to, const std::string& text) { std::fwrite(text.data(), 1, text.size(), to); }

int validate(const cli::Parsed& parsed) {
  const auto dir = parsed.flags.find("conf-dir");
  const auto config = model::load_config({.file = parsed.arguments.front(),
                                          .directory = dir == parsed.flags.end() ? "" : dir->second.back(),
                                          .environment = {},
                                          .flags = {}});
  if (!config.ok()) return fail(config.error());
  print(stdout, fmt::format("{} is valid; services: {}\n", parsed.arguments.front(), config->services.size()));
  return 0;
}

std::vector<std::pair<std::string, std::string>> variables(char** environment) {
  std::vector<std::pair<std::string, std::string>> out;
  for (char** entry = environment; *entry != nullptr; ++entry) {
    const std::string_view text = *entry;
    const auto equals = text.find('=');
    if (equals != std::string_view::npos) out.emplace_back(text.substr(0, equals), text.substr(equals + 1));
  }
  return out;
}

}  // namespace

const cli::Program& meshd() {
  static const cli::Program program = {
      .name = "meshd",
      .summary = "the service mesh of this host",
      .exit_status = "0 ended as asked, 1 error, 2 usage or configuration",
      .common = {{.name = "help", .help = "show this command's help"}},
      .commands = commands()};
  return program;
}

Result<model::Config> config_of(const cli::Parsed& parsed, char** environment) {
  model::ConfigSources sources;
  sources.environment = variables(environment);
  for (const model::Setting& setting : model::settings()) {
    const auto given = parsed.flags.find(setting.flag);
    if (given != parsed.flags.end()) sources.flags.emplace_back(setting.flag, given->second.back());
  }
  return model::load_config(sources);
}

CommandLine read_command_line(int argc, char** argv) {
  const std::vector<std::string> words(argv + 1, argv + argc);
  CommandLine line;
  auto parsed = cli::parse(words, meshd());
  line.done = true;
  if (!parsed.ok()) {
    line.exit_status = fail(parsed.error());
  } else if (parsed->help) {
    print(stdout, parsed->command == nullptr ? cli::overview_text(meshd())
                                             : cli::command_text(meshd(), *parsed->command));
  } else if (parsed->command->path == "version") {
    print(stdout, fmt::format("meshd {}\n", version()));
  } else if (parsed->command->path == "validate") {
    line.exit_status = validate(*parsed);
  } else {
    line.parsed = std::move(parsed).value();
    line.done = false;
  }
  return line;
}

int fail(const Error& error) {
  print(stderr, fmt::format("meshd: {}\n", error.message));
  return error.code == Code::Invalid ? 2 : 1;
}

}  // namespace mesh::daemon
