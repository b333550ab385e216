#include "daemon/command_line.h"

#include <unistd.h>

#include <cstdio>

#include "base/version.h"
#include "cli/help.h"

namespace mesh::daemon {
namespace {

constexpr const char* kConfigFile = "/etc/meshd/meshd.yaml";
constexpr const char* kConfigFolder = "/etc/meshd/conf.d";

std::vector<cli::Flag> setting_flags() {
  std::vector<cli::Flag> flags;
  for (const model::Setting& setting : model::settings())
    flags.push_back({.name = setting.flag, .value = setting.value, .help = setting.help});
  return flags;
}

// `dev` keeps its data in a folder of its own.
std::vector<cli::Flag> dev_flags() {
  std::vector<cli::Flag> flags = setting_flags();
  std::erase_if(flags, [](const cli::Flag& flag) { return flag.name == "data-dir" || flag.name == "run-dir"; });
  return flags;
}

std::vector<cli::Flag> daemon_flags(std::vector<cli::Flag> own = {}) {
  own.push_back({.name = "config", .value = "FILE", .help = "default /etc/meshd/meshd.yaml, which may be missing"});
  own.push_back({.name = "conf-dir", .value = "DIR", .help = "default /etc/meshd/conf.d"});
  for (cli::Flag& flag : setting_flags()) own.push_back(flag);
  return own;
}

std::vector<cli::Command> commands() {
  return {
      {.path = "agent",
       .summary = "The agent of this host, which has joined a mesh",
       .details = "SIGHUP reads the configuration again; a wrong one is refused as a whole and the old one stays.",
       .flags = daemon_flags(),
       .examples = {{"meshd agent", "as the unit meshd.service runs it"}}},
      {.path = "server",
       .summary = "A server of the mesh, which is this host's agent as well",
       .flags = daemon_flags(),
       .examples = {{"meshd server", "as the unit meshd-server.service runs it"}}},
      {.path = "init",
       .summary = "Make a new mesh with this host as its first server; see 'meshctl cluster init'",
       .flags = daemon_flags({{.name = "default", .value = "ACTION", .help = "what no intention decides: deny (default) or allow",
                               .choices = {"deny", "allow"}}}),
       .examples = {{"meshd init --bind 10.0.0.11", "prints the management token, once"}}},
      {.path = "join",
       .summary = "Make this host a member of a mesh; see 'meshctl join'",
       .flags = daemon_flags({{.name = "token-file", .value = "FILE", .help = "the join token; -: read it from standard input"},
                              {.name = "timeout", .value = "TIME", .help = "ask the servers again for so long (default: 30s)"}}),
       .examples = {{"meshd join --token-file -", "asks one of the token's servers for a certificate"}}},
      {.path = "leave",
       .summary = "Forget the mesh that this host is in; see 'meshctl leave'",
       .flags = daemon_flags(),
       .examples = {{"meshd leave", "removes this host's keys and state"}}},
      {.path = "dev",
       .summary = "A server and an agent on loopback, for one person's machine",
       .details = "Needs no root and no configuration. Data is kept in a folder that is removed at the end (Ctrl-C).\n"
                  "Every local program may write; this is not a way to run a site.",
       .flags = dev_flags(),
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
                                          .flags = {},
                                          .may_be_pipe = true});
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
      .exit_status = "0 ended as asked, 1 error, 2 usage or configuration, 4 not allowed, or removed from the mesh",
      .common = {{.name = "help", .help = "show this command's help"}},
      .commands = commands()};
  return program;
}

std::string flag_of(const cli::Parsed& parsed, std::string_view name, std::string_view otherwise) {
  const auto given = parsed.flags.find(name);
  return given == parsed.flags.end() ? std::string(otherwise) : given->second.back();
}

Result<model::Config> config_of(const cli::Parsed& parsed, char** environment) {
  model::ConfigSources sources;
  sources.environment = variables(environment);
  if (parsed.command->path != "dev") {
    const std::string file = flag_of(parsed, "config");
    sources.directory = flag_of(parsed, "conf-dir", kConfigFolder);
    if (!file.empty() || access(kConfigFile, F_OK) == 0) sources.file = file.empty() ? kConfigFile : file;
  }
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
  if (error.code == Code::Denied) return 4;
  return error.code == Code::Invalid ? 2 : 1;
}

}  // namespace mesh::daemon
