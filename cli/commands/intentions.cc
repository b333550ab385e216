#include "cli/commands/commands.h"
#include "cli/invocation.h"
#include "cli/output.h"

namespace mesh::cli {
namespace {

std::string pair_query(const Invocation& run) {
  return fmt::format("source={}&destination={}", url_escape(run.argument(0)), url_escape(run.argument(1)));
}

Status list(Invocation& run) {
  MESH_TRY(client, run.client());
  MESH_TRY(intentions, client->get_json("/v1/connect/intentions"));
  if (run.json()) {
    run.print_json(intentions);
    return {};
  }
  Table table({"SOURCE", "DESTINATION", "ACTION", "PRECEDENCE", "ID"});
  for (const JsonValue& one : intentions.items())
    table.add({cell(one, "SourceName"), cell(one, "DestinationName"), cell(one, "Action"), cell(one, "Precedence"), cell(one, "ID")});
  run.print(table.text());
  return {};
}

Status show(Invocation& run) {
  MESH_TRY(client, run.client());
  MESH_TRY(one, client->get_json("/v1/connect/intentions/exact?" + pair_query(run)));
  run.print_json(one);
  return {};
}

Status set(Invocation& run, std::string_view action) {
  MESH_TRY(client, run.client());
  std::string body;
  JsonWriter out(body);
  out.begin_object();
  out.key("Action");
  out.string(action);
  out.key("Description");
  out.string(run.flag("description"));
  out.end_object();
  MESH_TRY(answer, client->call(net::HttpMethod::Put, "/v1/connect/intentions/exact?" + pair_query(run), std::move(body)));
  if (run.json()) run.print_json(JsonValue(true));
  else run.print(fmt::format("{} -> {}: {}\n", run.argument(0), run.argument(1), action));
  return {};
}

Status allow(Invocation& run) { return set(run, "allow"); }
Status deny(Invocation& run) { return set(run, "deny"); }

Status remove(Invocation& run) {
  MESH_TRY(client, run.client());
  MESH_TRY(answer, client->call(net::HttpMethod::Delete, "/v1/connect/intentions/exact?" + pair_query(run)));
  if (run.json()) run.print_json(JsonValue(true));
  else run.print(fmt::format("{} -> {}: no rule any more\n", run.argument(0), run.argument(1)));
  return {};
}

// The exit status tells too: scripts ask by it.
Status check(Invocation& run) {
  MESH_TRY(client, run.client());
  MESH_TRY(decision, client->get_json("/v1/connect/intentions/check?" + pair_query(run)));
  const JsonValue* allowed = decision.find("Allowed");
  const bool yes = allowed != nullptr && allowed->boolean().value_or(false);
  const std::string rule = cell(decision, "Rule");
  if (run.json()) run.print_json(decision);
  else
    run.print(fmt::format("{} -> {}: {} ({})\n", run.argument(0), run.argument(1), yes ? "allowed" : "denied",
                          rule.empty() ? "the default" : "intention " + rule));
  run.set_exit(yes ? Exit::Ok : Exit::Denied);
  return {};
}

std::vector<Argument> pair_arguments() {
  return {{.name = "SOURCE", .help = "service that calls, * for any, or node/NAME"},
          {.name = "DESTINATION", .help = "service called, or *"}};
}

}  // namespace

std::vector<Command> intentions_commands() {
  const std::vector<Flag> description = {{.name = "description", .value = "TEXT", .help = "for people"}};
  return {{.path = "intentions list",
           .summary = "All rules about who may call whom",
           .examples = {{"meshctl intentions list", "the most specific rule that matches decides"}},
           .run = list},
          {.path = "intentions show",
           .summary = "One rule, as JSON",
           .arguments = pair_arguments(),
           .examples = {{"meshctl intentions show web db", "the rule for this very pair"}},
           .run = show},
          {.path = "intentions allow",
           .summary = "Let a service call another",
           .arguments = pair_arguments(),
           .flags = description,
           .examples = {{"meshctl intentions allow web db", "web may call db"}},
           .run = allow},
          {.path = "intentions deny",
           .summary = "Forbid a service to call another; open connections end",
           .arguments = pair_arguments(),
           .flags = description,
           .examples = {{"meshctl intentions deny web db", "web may not call db"}},
           .run = deny},
          {.path = "intentions delete",
           .summary = "Remove the rule for this pair; wider rules and the default decide then",
           .arguments = pair_arguments(),
           .examples = {{"meshctl intentions delete web db", "removes it"}},
           .run = remove},
          {.path = "intentions check",
           .summary = "Ask whether a connection would be allowed; exit status 0 yes, 4 no",
           .arguments = pair_arguments(),
           .examples = {{"meshctl intentions check web db", "decided by the data plane's own code"}},
           .run = check}};
}

}  // namespace mesh::cli
