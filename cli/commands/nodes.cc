#include "cli/commands/commands.h"
#include "cli/invocation.h"
#include "cli/output.h"

namespace mesh::cli {
namespace {

Status nodes(Invocation& run) {
  MESH_TRY(client, run.client());
  MESH_TRY(list, client->get_json("/v1/catalog/nodes"));
  if (run.json()) {
    run.print_json(list);
    return {};
  }
  Table table({"NAME", "ADDRESS", "ID"});
  for (const JsonValue& node : list.items()) table.add({cell(node, "Node"), cell(node, "Address"), cell(node, "ID")});
  run.print(table.text());
  return {};
}

// serf's member states, which Consul's API shows as numbers.
std::string member_status(const JsonValue& member) {
  static constexpr std::string_view kNames[] = {"none", "alive", "leaving", "left", "failed"};
  const JsonValue* status = member.find("Status");
  const auto number = status == nullptr ? std::nullopt : status->unsigned_integer();
  return std::string(number && *number < std::size(kNames) ? kNames[*number] : "unknown");
}

std::string tag(const JsonValue& member, std::string_view name) {
  const JsonValue* tags = member.find("Tags");
  return tags == nullptr ? std::string() : cell(*tags, name);
}

}  // namespace

Status list_members(Invocation& run) {
  MESH_TRY(client, run.client());
  MESH_TRY(list, client->get_json("/v1/agent/members"));
  if (run.json()) {
    run.print_json(list);
    return {};
  }
  Table table({"NAME", "ADDRESS", "STATUS", "TYPE", "DC"});
  for (const JsonValue& member : list.items()) {
    const std::string type = tag(member, "role") == "consul" ? "server" : "agent";
    table.add({cell(member, "Name"), cell(member, "Addr") + ':' + cell(member, "Port"), member_status(member), type,
               tag(member, "dc")});
  }
  run.print(table.text());
  return {};
}

namespace {

Status health(Invocation& run) {
  MESH_TRY(client, run.client());
  const std::string state = run.flag("state", "any");
  MESH_TRY(list, client->get_json("/v1/health/state/" + state));
  if (run.json()) {
    run.print_json(list);
    return {};
  }
  Table table({"STATUS", "NODE", "SERVICE", "CHECK", "OUTPUT"});
  for (const JsonValue& check : list.items())
    table.add({cell(check, "Status"), cell(check, "Node"), cell(check, "ServiceName"), cell(check, "Name"),
               cell(check, "Output")});
  run.print(table.text());
  return {};
}

}  // namespace

std::vector<Command> nodes_commands() {
  return {{.path = "nodes",
           .summary = "All hosts in the catalog",
           .examples = {{"meshctl nodes", "name, address and id of each host"}},
           .run = nodes}};
}

std::vector<Command> members_commands() {
  return {{.path = "members",
           .summary = "All agents as this one sees them, and whether they are alive",
           .examples = {{"meshctl members", "one line for each agent"}},
           .run = list_members}};
}

std::vector<Command> health_commands() {
  return {{.path = "health",
           .summary = "Health checks of all hosts",
           .flags = {{.name = "state",
                      .value = "STATE",
                      .help = "only checks in this state",
                      .choices = {"any", "passing", "warning", "critical"}}},
           .examples = {{"meshctl health --state critical", "what is failing now"}},
           .run = health}};
}

}  // namespace mesh::cli
