// What is wrong on this host, and what to do about it: the agent's own look, or, where no agent answers, what keeps it from
// running.
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "base/message_json.h"
#include "cli/commands/commands.h"
#include "cli/invocation.h"
#include "cli/output.h"
#include "model/config.h"
#include "model/finding.h"
#include "net/port_owner.h"

namespace mesh::cli {
namespace {

using model::Finding;
using model::FindingLevel;

constexpr std::string_view kConfigFile = "/etc/meshd/meshd.yaml";
constexpr std::string_view kConfigFolder = "/etc/meshd/conf.d";

std::string counted(std::size_t count, std::string_view one) { return fmt::format("{} {}{}", count, one, count == 1 ? "" : "s"); }

std::size_t count(const model::Diagnosis& diagnosis, FindingLevel level) {
  std::size_t found = 0;
  for (const Finding& finding : diagnosis.findings) found += finding.level == level ? 1 : 0;
  return found;
}

// A line for each finding, its fix below it.
std::string text_of(const model::Diagnosis& diagnosis) {
  std::string out;
  for (const Finding& finding : diagnosis.findings) {
    out += fmt::format("{:<8} {:<12} {}: {}\n", enum_text(finding.level), finding.check, printable(finding.where), printable(finding.what));
    if (!finding.fix.empty()) out += fmt::format("{:<8} {:<12} fix: {}\n", "", "", printable(finding.fix));
  }
  return out + fmt::format("{} ok, {}, {}\n", count(diagnosis, FindingLevel::Ok), counted(count(diagnosis, FindingLevel::Warning), "warning"),
                           counted(count(diagnosis, FindingLevel::Error), "error"));
}

void show(Invocation& run, const model::Diagnosis& diagnosis) {
  if (run.json()) run.print(to_json(diagnosis) + "\n");
  else run.print(text_of(diagnosis));
}

Finding fault(std::string_view check, std::string where, std::string what, std::string fix) {
  Finding finding;
  finding.level = FindingLevel::Error;
  finding.check = check;
  finding.where = std::move(where);
  finding.what = std::move(what);
  finding.fix = std::move(fix);
  return finding;
}

// How to start the agent, by what stands in its data directory.
std::string how_to_start(const std::string& data_dir) {
  struct stat info{};
  if (stat((data_dir + "/server.json").c_str(), &info) == 0) return "systemctl enable --now meshd-server";
  if (stat((data_dir + "/node.json").c_str(), &info) == 0) return "systemctl enable --now meshd";
  if (errno == EACCES) return "as root: systemctl enable --now meshd (on a server: meshd-server)";
  return "this host is in no mesh: 'meshctl cluster init' makes one, 'meshctl join --token-file -' brings the host into one; to try it: 'meshd dev'";
}

void add_taken(std::vector<Finding>& findings, const net::Address& where, std::string_view key) {
  const auto owner = net::port_owner(net::PortProtocol::Tcp, where);
  if (!owner) return;
  findings.push_back(fault("ports", fmt::format("tcp {} ({})", where.to_string(), key), fmt::format("{} holds it", *owner),
                           fmt::format("stop it, or set {} in meshd.yaml", key)));
}

// The agent could not listen there.
void add_taken_ports(std::vector<Finding>& findings, const model::Config& config) {
  const auto client = net::IpAddress::parse(config.client);
  const auto bind = net::IpAddress::parse(config.bind.empty() ? "0.0.0.0" : config.bind);
  const struct {
    std::string_view key;
    std::int32_t port;
    const Result<net::IpAddress>& at;
  } ports[] = {{"ports.http", config.ports.http, client}, {"ports.dns", config.ports.dns, client}, {"ports.rpc", config.ports.rpc, bind},
               {"ports.gossip", config.ports.gossip, bind}, {"ports.mesh", config.ports.mesh, bind}};
  for (const auto& port : ports)
    if (port.port > 0 && port.at.ok()) add_taken(findings, {*port.at, static_cast<std::uint16_t>(port.port)}, port.key);
}

// What can be seen without an agent.
model::Diagnosis look_without_agent(const Invocation& run, const Error& why) {
  model::Diagnosis diagnosis;
  std::string file = run.flag("config");
  if (file.empty() && access(std::string(kConfigFile).c_str(), F_OK) == 0) file = kConfigFile;
  const auto config = model::load_config(
      {.file = file, .directory = run.flag("conf-dir", kConfigFolder), .environment = {}, .flags = {}});
  if (!config.ok())
    diagnosis.findings.push_back(fault("configuration", file.empty() ? std::string(kConfigFolder) : file, config.error().message,
                                       "mend it; 'meshctl validate FILE' checks it again"));
  const model::Config used = config.ok() ? *config : model::Config();
  diagnosis.findings.push_back(fault("agent", "this host", why.message.substr(0, why.message.find("; ")), how_to_start(used.data_dir)));
  add_taken_ports(diagnosis.findings, used);
  return diagnosis;
}

Status doctor(Invocation& run) {
  MESH_TRY(client, run.client());
  auto answer = client->get_json("/v1/mesh/doctor");
  if (!answer.ok()) {
    if (answer.error().code != Code::Unavailable) return std::move(answer).error();
    show(run, look_without_agent(run, answer.error()));
    run.set_exit(Exit::Unreachable);
    return {};
  }
  MESH_TRY(diagnosis, from_json<model::Diagnosis>(*answer).context("while reading the agent's answer"));
  show(run, diagnosis);
  if (count(diagnosis, FindingLevel::Error) > 0) run.set_exit(Exit::Error);
  return {};
}

}  // namespace

std::vector<Command> doctor_commands() {
  return {{.path = "doctor",
           .summary = "What is wrong on this host, and what to do about it",
           .details = "Looks at ports, data directory, servers, certificates, steering, the way of DNS and services. Exit status 0:\n"
                      "no error, 1: an error, 5: no agent answers; then the configuration and its ports are looked at without it.",
           .flags = {{.name = "config", .value = "FILE", .help = "configuration, where no agent answers (default: /etc/meshd/meshd.yaml)"},
                     {.name = "conf-dir", .value = "DIR", .help = "further configuration (default: /etc/meshd/conf.d)"}},
           .examples = {{"meshctl doctor", "each finding with its fix"}},
           .run = doctor}};
}

}  // namespace mesh::cli
