// meshd-steer: the one privileged program of the mesh. See README.md here.
#include <pwd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <charconv>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/log.h"
#include "base/version.h"
#include "cli/command.h"
#include "cli/help.h"
#include "daemon/steer/service.h"

namespace mesh::steer {
namespace {

constexpr int kFirstActivated = 3;  // sd_listen_fds(3)

std::vector<cli::Flag> flags_with(std::vector<cli::Flag> more) {
  std::vector<cli::Flag> flags = {
      {.name = "bpf-dir", .value = "DIR", .help = "folder on a bpf file system, one per network namespace; default /sys/fs/bpf/meshd"},
      {.name = "run-dir", .value = "DIR", .help = "where steer.sock is; default /run/meshd"},
      {.name = "socket", .value = "PATH", .help = "instead of RUN_DIR/steer.sock"}};
  flags.insert(flags.end(), more.begin(), more.end());
  return flags;
}

const cli::Program& program() {
  static const cli::Program table = {
      .name = "meshd-steer",
      .summary = "steers connections to mesh addresses into the agent's listeners",
      .exit_status = "0 done, 1 error, 2 usage",
      .common = {{.name = "help", .help = "show this command's help"}},
      .commands = {
          {.path = "serve",
           .summary = "Put steering in force and take the agent's listeners",
           .details = "Runs until SIGTERM. What is in force stays then; `remove` takes it away.\n"
                      "Needs root with CAP_BPF and CAP_NET_ADMIN; CAP_NET_RAW for DNS over UDP on 127.128.0.53.",
           .flags = flags_with({{.name = "user", .value = "USER", .help = "name or number of the user that may connect; default meshd, where it exists"},
                                {.name = "mode", .value = "MODE", .help = "default auto: sk_lookup, else nftables", .choices = {"auto", "sk_lookup", "nftables"}}}),
           .examples = {{"meshd-steer serve", "as the unit does"}}},
          {.path = "status",
           .summary = "Show what is in force",
           .flags = flags_with({{.name = "json", .help = "print JSON"}}),
           .examples = {{"meshd-steer status", "mode, listeners that are alive, counters"}}},
          {.path = "remove",
           .summary = "Take all of it out of the kernel",
           .details = "Stop `serve` first: at the next hand-over it would put it back.",
           .flags = flags_with({}),
           .examples = {{"meshd-steer remove", "no program, no pin, no nftables table is left"}}},
          {.path = "version", .summary = "Print the version", .examples = {{"meshd-steer version", "the version of this program"}}},
      }};
  return table;
}

void print(std::FILE* to, const std::string& text) {
  std::fwrite(text.data(), 1, text.size(), to);
  std::fflush(to);
}

int fail(const Error& error) {
  print(stderr, fmt::format("meshd-steer: {}\n", error.message));
  return error.code == Code::Invalid ? 2 : 1;
}

std::string text_flag(const cli::Parsed& parsed, std::string_view name, std::string otherwise) {
  const auto given = parsed.flags.find(name);
  return given == parsed.flags.end() || given->second.empty() ? otherwise : given->second.back();
}

std::string bpf_folder(const cli::Parsed& parsed) { return text_flag(parsed, "bpf-dir", "/sys/fs/bpf/meshd"); }
std::string socket_path(const cli::Parsed& parsed) {
  return text_flag(parsed, "socket", text_flag(parsed, "run-dir", "/run/meshd") + "/steer.sock");
}

Result<uid_t> user_of(const cli::Parsed& parsed) {
  const std::string name = text_flag(parsed, "user", "");
  uid_t number = 0;
  const auto [end, failure] = std::from_chars(name.data(), name.data() + name.size(), number);
  if (!name.empty() && failure == std::errc() && end == name.data() + name.size()) return number;
  const passwd* entry = getpwnam(name.empty() ? "meshd" : name.c_str());
  if (entry != nullptr) return entry->pw_uid;
  if (name.empty()) return uid_t{0};
  return error(Code::Invalid, "--user {}: there is no such user", name);
}

// sd_listen_fds(3): the socket that systemd has opened for this process.
UniqueFd activated_socket() {
  const char* pid = std::getenv("LISTEN_PID");
  const char* count = std::getenv("LISTEN_FDS");
  if (pid == nullptr || count == nullptr || std::to_string(getpid()) != pid || std::string_view(count) != "1") return {};
  return UniqueFd(kFirstActivated);
}

Result<UniqueFd> stop_signals() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGINT);
  sigprocmask(SIG_BLOCK, &set, nullptr);
  UniqueFd fd(signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!fd) return io_error("signalfd", errno);
  return fd;
}

std::string one_line(const Answer& answer) {
  std::string line = fmt::format("mode {}", enum_text(answer.mode));
  if (!answer.message.empty()) line += fmt::format("; {}", answer.message);
  if (!answer.hint.empty()) line += fmt::format("; try: {}", answer.hint);
  return line;
}

Status serve(const cli::Parsed& parsed) {
  const std::string mode = text_flag(parsed, "mode", "auto");
  MESH_TRY(user, user_of(parsed));
  MESH_TRY(stop, stop_signals());
  Backend backend({.bpf_folder = bpf_folder(parsed),
                   .choice = mode == "sk_lookup" ? Choice::SkLookup : mode == "nftables" ? Choice::Nftables : Choice::Auto});
  MESH_TRY(service, Service::open({.socket_path = socket_path(parsed), .user = user, .listening = activated_socket()}, backend));
  const Answer answer = backend.start();
  if (answer.mode == Mode::None) LOG_WARN("steering is not in force", {"fault", enum_text(answer.fault)}, {"cause", answer.message}, {"try", answer.hint});
  // Also when nothing can be steered: agents get the reason from here, and `doctor` from them.
  print(stdout, fmt::format("meshd-steer: ready; socket {}, {}\n", socket_path(parsed), one_line(answer)));
  return service->serve(stop.get());
}

Status status(const cli::Parsed& parsed) {
  MESH_TRY(now, SkLookup(bpf_folder(parsed)).status());
  const bool redirected = nft_present();
  const Mode mode = now.attached ? Mode::SkLookup : redirected ? Mode::Nftables : Mode::None;
  const bool helper = helper_answers(socket_path(parsed));
  if (!parsed.flags.contains("json")) {
    print(stdout, fmt::format("mode       {}\nhelper     {}\nlisteners  {}\ndns        udp {}, tcp {}\nsteered    {}\ndns asked  {}\nrefused    {}\n",
                              enum_text(mode), helper ? "running" : "not running", now.listeners, now.dns_udp ? "yes" : "no",
                              now.dns_tcp ? "yes" : "no", now.steered_total, now.dns_questions_total, now.refused_total));
    return {};
  }
  std::string text;
  JsonWriter out(text);
  out.begin_object();
  out.key("Mode"), out.string(enum_text(mode));
  out.key("HelperRunning"), out.boolean(helper);
  out.key("Listeners"), out.unsigned_integer(now.listeners);
  out.key("DnsUdp"), out.boolean(now.dns_udp);
  out.key("DnsTcp"), out.boolean(now.dns_tcp);
  out.key("SteeredTotal"), out.unsigned_integer(now.steered_total);
  out.key("DnsQuestionsTotal"), out.unsigned_integer(now.dns_questions_total);
  out.key("RefusedTotal"), out.unsigned_integer(now.refused_total);
  out.end_object();
  print(stdout, text + "\n");
  return {};
}

Status remove(const cli::Parsed& parsed) {
  MESH_TRY_STATUS(remove_all(bpf_folder(parsed)));
  const std::string path = socket_path(parsed);
  if (helper_answers(path)) {
    print(stderr, fmt::format("meshd-steer: removed, but a helper still runs on {}; at the next hand-over it puts steering back: stop it\n", path));
    return {};
  }
  ::unlink(path.c_str());
  return {};
}

int run(int argc, char** argv) {
  const std::vector<std::string> words(argv + 1, argv + argc);
  const auto parsed = cli::parse(words, program());
  if (!parsed.ok()) return fail(parsed.error());
  if (parsed->help) {
    print(stdout, parsed->command == nullptr ? cli::overview_text(program()) : cli::command_text(program(), *parsed->command));
    return 0;
  }
  if (parsed->command->path == "version") {
    print(stdout, fmt::format("meshd-steer {}\n", version()));
    return 0;
  }
  const Status done = parsed->command->path == "serve"    ? serve(*parsed)
                      : parsed->command->path == "status" ? status(*parsed)
                                                          : remove(*parsed);
  return done.ok() ? 0 : fail(done.error());
}

}  // namespace
}  // namespace mesh::steer

int main(int argc, char** argv) { return mesh::steer::run(argc, argv); }
