#include "base/file.h"
#include "base/message_json.h"
#include "base/yaml.h"
#include "cli/commands/commands.h"
#include "cli/invocation.h"
#include "cli/output.h"
#include "model/config.h"

namespace mesh::cli {
namespace {

constexpr ByteCount kDefinitionBytesMax{4 * 1024 * 1024};

std::string join(const JsonValue* list) {
  std::string out;
  if (list == nullptr) return out;
  for (const JsonValue& item : list->items()) {
    if (!out.empty()) out += ',';
    out += item.string().value_or("");
  }
  return out;
}

// The worst status of an instance's checks, as Consul's aggregate has it.
std::string_view worst_of(const JsonValue* checks) {
  static constexpr std::string_view kOrder[] = {"critical", "warning", "passing"};
  for (const std::string_view status : kOrder) {
    if (checks == nullptr) break;
    for (const JsonValue& check : checks->items())
      if (cell(check, "Status") == status) return status;
  }
  return "passing";
}

Status list(Invocation& run) {
  MESH_TRY(client, run.client());
  MESH_TRY(services, client->get_json("/v1/catalog/services"));
  JsonList rows;
  Table table({"NAME", "TAGS"});
  for (const auto& [name, tags] : services.members()) {
    table.add({name, join(&tags)});
    rows.push_back(JsonValue(JsonMembers{{"Name", JsonValue(name)}, {"Tags", tags}}));
  }
  if (run.json()) run.print_json(JsonValue(std::move(rows)));
  else run.print(table.text());
  return {};
}

std::string instance_address(const JsonValue& entry, const JsonValue& service) {
  const std::string own = cell(service, "Address");
  const JsonValue* node = entry.find("Node");
  return own.empty() && node != nullptr ? cell(*node, "Address") : own;
}

Status show(Invocation& run) {
  MESH_TRY(client, run.client());
  const std::string& name = run.argument(0);
  MESH_TRY(entries, client->get_json("/v1/health/service/" + url_escape(name)));
  if (entries.items().empty()) return error(Code::NotFound, "there is no service '{}'", name);
  if (run.json()) {
    run.print_json(entries);
    return {};
  }
  Table table({"ID", "NODE", "ADDRESS", "PORT", "STATUS", "TAGS"});
  for (const JsonValue& entry : entries.items()) {
    const JsonValue* service = entry.find("Service");
    const JsonValue* node = entry.find("Node");
    if (service == nullptr || node == nullptr) return error(Code::Internal, "the agent's answer has no Service or Node");
    table.add({cell(*service, "ID"), cell(*node, "Node"), instance_address(entry, *service), cell(*service, "Port"),
               std::string(worst_of(entry.find("Checks"))), join(service->find("Tags"))});
  }
  run.print(table.text());
  return {};
}

Status register_file(Invocation& run) {
  const std::string& path = run.argument(0);
  MESH_TRY(text, read_input_file(path, kDefinitionBytesMax));
  MESH_TRY(services, model::read_service_file(text, path));
  MESH_TRY(client, run.client());
  JsonList done;
  for (const model::ServiceDefinition& service : services) {
    const std::string& name = service.name;
    MESH_TRY(answer, client->call(net::HttpMethod::Put, "/v1/agent/service/register", to_json(service))
                         .context("while registering '{}'", name));
    done.push_back(JsonValue(name));
    if (!run.json()) run.print(fmt::format("registered {}\n", name));
  }
  if (run.json()) run.print_json(JsonValue(std::move(done)));
  return {};
}

Status deregister(Invocation& run) {
  MESH_TRY(client, run.client());
  const std::string& id = run.argument(0);
  MESH_TRY(answer, client->call(net::HttpMethod::Put, "/v1/agent/service/deregister/" + url_escape(id)));
  if (run.json()) run.print_json(JsonValue(id));
  else run.print(fmt::format("deregistered {}\n", id));
  return {};
}

}  // namespace

std::vector<Command> services_commands() {
  return {
      {.path = "services list",
       .summary = "Names of all services with their tags",
       .examples = {{"meshctl services list", "every service in the catalog"}},
       .run = list},
      {.path = "services show",
       .summary = "Instances of a service: where they run and how healthy they are",
       .arguments = {{.name = "NAME", .help = "name of the service"}},
       .examples = {{"meshctl services show web", "one line for each instance of web"}},
       .run = show},
      {.path = "services register",
       .summary = "Register the services of a YAML file with this host's agent",
       .details = "The file has the form of conf.d: 'services:' with a list. A service registered again is replaced.",
       .arguments = {{.name = "FILE", .help = "YAML file with 'services:'"}},
       .examples = {{"meshctl services register web.yaml", "registers what web.yaml defines"}},
       .run = register_file},
      {.path = "services deregister",
       .summary = "Take a service instance of this host out of the mesh",
       .arguments = {{.name = "ID", .help = "id of the instance (default: its name)"}},
       .examples = {{"meshctl services deregister web-1", "removes the instance web-1 of this host"}},
       .run = deregister},
  };
}

}  // namespace mesh::cli
