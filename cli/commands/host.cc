// Making a mesh, and bringing this host into one or out of it. The daemon does it; systemd, where it runs, starts it.
#include <sys/stat.h>
#include <unistd.h>

#include "cli/commands/commands.h"
#include "cli/invocation.h"
#include "cli/program.h"

namespace mesh::cli {
namespace {

constexpr std::string_view kAgentUnit = "meshd.service";
constexpr std::string_view kServerUnit = "meshd-server.service";
constexpr std::string_view kSteerUnit = "meshd-steer.service";

const std::vector<Flag>& place_flags() {
  static const std::vector<Flag> flags = {
      {.name = "config", .value = "FILE", .help = "configuration (default: /etc/meshd/meshd.yaml)"},
      {.name = "conf-dir", .value = "DIR", .help = "further configuration (default: /etc/meshd/conf.d)"},
      {.name = "data-dir", .value = "DIR", .help = "where keys and state are kept (default: /var/lib/meshd)"},
      {.name = "node", .value = "NAME", .help = "name of this host in the mesh (default: the host name)"},
      {.name = "bind", .value = "IP", .help = "address for other hosts (default: that of the default route)"},
      {.name = "no-start", .help = "do not touch systemd's units"}};
  return flags;
}

std::vector<Flag> with_place(std::vector<Flag> own) {
  own.insert(own.end(), place_flags().begin(), place_flags().end());
  return own;
}

// The daemon's words: the verb, and each flag given here that it has too.
std::vector<std::string> daemon_words(const Invocation& run, std::string_view verb,
                                      std::initializer_list<std::string_view> flags) {
  std::vector<std::string> words{std::string(verb)};
  const auto pass = [&](std::string_view flag) {
    if (!run.has(flag)) return;
    words.push_back(fmt::format("--{}", flag));
    words.push_back(run.flag(flag));
  };
  for (const Flag& flag : place_flags())
    if (!flag.value.empty()) pass(flag.name);
  for (const std::string_view flag : flags) pass(flag);
  return words;
}

bool systemd_runs() {
  struct stat info{};
  return stat("/run/systemd/system", &info) == 0;
}

Status systemctl(std::vector<std::string> words) {
  MESH_TRY(output, run_program("/usr/bin/systemctl", words));
  if (output.exit_status == 0) return {};
  while (output.err.ends_with('\n')) output.err.pop_back();
  return error(Code::Internal, "systemctl {} failed: {}", words.front(), output.err);
}

// What happened to the unit, or what is left to do, as a line for the user.
Result<std::string> start_unit(const Invocation& run, std::string_view unit) {
  if (!systemd_runs())
    return fmt::format("Next: run 'meshd {}', and meshd-steer beside it; there is no systemd here that would", unit == kServerUnit ? "server" : "agent");
  if (run.has("no-start")) return fmt::format("Next: start it with 'systemctl enable --now {}'", unit);
  MESH_TRY_STATUS(systemctl({"enable", "--now", std::string(unit)}));
  return fmt::format("{} is started and enabled", unit);
}

// Units stopped and out of the boot, and mesh addresses out of the kernel, where steering outlives its helper.
Status stop_units() {
  MESH_TRY_STATUS(systemctl({"disable", "--now", std::string(kAgentUnit), std::string(kServerUnit)}));
  MESH_TRY_STATUS(systemctl({"stop", std::string(kSteerUnit)}));
  MESH_TRY(daemon, find_daemon());
  const std::string helper = daemon + "-steer";
  if (access(helper.c_str(), X_OK) != 0) return {};
  MESH_TRY(removed, run_program(helper, {"remove"}));
  while (removed.err.ends_with('\n')) removed.err.pop_back();
  if (removed.exit_status != 0) return error(Code::Internal, "steering stays in the kernel: {}", removed.err);
  return {};
}

Result<JsonValue> ask_daemon(const std::vector<std::string>& words) {
  MESH_TRY(text, run_daemon(words));
  return parse_json(text).context("while reading the answer of 'meshd {}'", words.front());
}

Status cluster_init(Invocation& run) {
  MESH_TRY(made, ask_daemon(daemon_words(run, "init", {"default"})));
  MESH_TRY(unit, start_unit(run, kServerUnit));
  if (run.json()) {
    run.print_json(made);
    return {};
  }
  run.print(fmt::format("cluster            {}\nthis server        {} at {}\ndefault action     {}\n"
                        "management token   {}\n\nKeep the token: it may do everything and is shown this once.\n"
                        "{}\nThen 'meshctl token join' makes a token for a further host.\n",
                        cell(made, "ClusterID"), cell(made, "Node"), cell(made, "Address"),
                        cell(made, "DefaultAction"), cell(made, "ManagementToken"), unit));
  return {};
}

Status join(Invocation& run) {
  if (!run.has("token-file")) return error(Code::Invalid, "'join' needs --token-file FILE, or - for standard input");
  MESH_TRY(joined, ask_daemon(daemon_words(run, "join", {"token-file", "timeout"})));
  MESH_TRY(unit, start_unit(run, cell(joined, "Kind") == "server" ? kServerUnit : kAgentUnit));
  if (run.json()) {
    run.print_json(joined);
    return {};
  }
  run.print(fmt::format("{} is a member of cluster {} as {}\n{}\n", cell(joined, "Node"),
                        cell(joined, "ClusterID"), cell(joined, "Kind"), unit));
  return {};
}

// The catalog first, while the agent still may write; then the units; then what is on this host.
Status leave(Invocation& run) {
  MESH_TRY(client, run.client());
  auto told = client->call(net::HttpMethod::Put, "/v1/agent/leave");
  const bool offline = !told.ok() && told.error().code == Code::Unavailable;
  if (offline && !run.has("force"))
    return error(Code::Unavailable, "{}; --force removes what is on this host without it", told.error().message);
  if (!told.ok() && !offline) return std::move(told).error();
  if (!run.has("no-start") && systemd_runs()) MESH_TRY_STATUS(stop_units());
  MESH_TRY(left, ask_daemon(daemon_words(run, "leave", {})));
  if (run.json()) run.print_json(left);
  else run.print(fmt::format("{} has left cluster {}; nothing of the mesh is left on this host\n", cell(left, "Node"), cell(left, "ClusterID")));
  return {};
}

}  // namespace

Command cluster_init_command() {
  return {.path = "cluster init",
       .summary = "Make a new mesh with this host as its first server",
       .details = "Makes the certificate authority, this server's identity and the management token, which is shown once.\n"
                  "Under the default action deny, traffic needs an intention and writing needs a token.",
       .flags = with_place({{.name = "default",
                             .value = "ACTION",
                             .help = "what no intention decides (default: deny)",
                             .choices = {"deny", "allow"}}}),
       .examples = {{"meshctl cluster init", "on the first server, as root"}},
       .run = cluster_init};
}

std::vector<Command> host_commands() {
  return {
      {.path = "join",
       .summary = "Make this host a member of a mesh",
       .details = "The token decides what it becomes: an agent, or with one of 'meshctl token join --server' a further server.\n"
                  "Servers that cannot be asked are asked again for 30 s, or for --timeout; that takes no further use of the token.",
       .flags = with_place({{.name = "token-file", .value = "FILE", .help = "the join token; -: from standard input"}}),
       .examples = {{"meshctl join --token-file -", "paste the output of 'meshctl token join'"}},
       .run = join},
      {.path = "leave",
       .summary = "Take this host out of the mesh, without a trace",
       .details = "On a server it leaves the cluster first, which is refused if it is the last one, or if too few of the others answer.\n"
                  "Stops the daemons where systemd runs them; elsewhere stop meshd, then 'meshctl leave --force' does the rest.",
       .flags = with_place({{.name = "force", .help = "also when the agent does not answer: the catalog then learns it later"}}),
       .examples = {{"meshctl leave", "deregisters the host, stops its units, removes its keys and state"}},
       .run = leave},
  };
}

}  // namespace mesh::cli
