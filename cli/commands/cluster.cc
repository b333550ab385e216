#include <charconv>

#include "cli/commands/commands.h"
#include "cli/invocation.h"
#include "cli/output.h"

namespace mesh::cli {
namespace {

std::string joined(const JsonValue& object, std::string_view name) {
  const JsonValue* list = object.find(name);
  std::string out;
  if (list == nullptr) return out;
  for (const JsonValue& item : list->items()) {
    out += out.empty() ? "" : ", ";
    out += item.string().value_or("");
  }
  return out;
}

// Since the leader heard of it; without a leader nobody knows.
std::string contact_of(const JsonValue& server) {
  const std::string since = cell(server, "LastContact");
  if (cell(server, "Role") == "leader") return "-";
  return since.empty() ? "not known" : since + " ago";
}

void print_servers(Invocation& run, const JsonValue& cluster) {
  const JsonValue* servers = cluster.find("Servers");
  if (servers == nullptr || servers->items().empty()) return;
  Table table({"SERVER", "NAME", "ADDRESS", "ROLE", "HEARD", "LAG"});
  for (const JsonValue& server : servers->items()) {
    table.add({cell(server, "ID"), cell(server, "Name"), cell(server, "Address"), cell(server, "Role"), contact_of(server),
               cell(server, "Lag")});
  }
  run.print("\n" + table.text());
}

Status status(Invocation& run) {
  MESH_TRY(client, run.client());
  MESH_TRY(cluster, client->get_json("/v1/mesh/cluster"));
  if (run.json()) {
    run.print_json(cluster);
    return {};
  }
  const std::string leader = cell(cluster, "Leader");
  run.print(fmt::format("cluster          {}\ndatacenter       {}\ndefault action   {}\nleader           {}\n"
                        "voters           {}\nterm             {}\ncommitted        {}\n",
                        cell(cluster, "ClusterID"), cell(cluster, "Datacenter"), cell(cluster, "DefaultAction"),
                        leader.empty() ? "none is known" : leader, joined(cluster, "Voters"), cell(cluster, "Term"),
                        cell(cluster, "CommitIndex")));
  print_servers(run, cluster);
  return {};
}

Status remove_member(Invocation& run) {
  const std::string& node = run.argument(0);
  MESH_TRY(client, run.client());
  MESH_TRY(answer, client->call(net::HttpMethod::Delete, "/v1/mesh/members/" + url_escape(node)));
  if (run.json()) run.print_json(JsonValue(JsonMembers{{"Removed", JsonValue(node)}}));
  else run.print(fmt::format("{} is no member of the mesh any more\n", node));
  return {};
}

Result<std::uint64_t> uses_of(const Invocation& run) {
  if (!run.has("uses")) return std::uint64_t{0};
  const std::string text = run.flag("uses");
  std::uint64_t uses = 0;
  const auto [stop, fault] = std::from_chars(text.data(), text.data() + text.size(), uses);
  if (fault == std::errc() && stop == text.data() + text.size() && uses > 0) return uses;
  return error(Code::Invalid, "--uses: '{}' is not a number above 0", text);
}

std::string join_token_body(const Invocation& run, std::uint64_t uses) {
  std::string body;
  JsonWriter out(body);
  out.begin_object();
  out.key("Kind");
  out.string(run.has("server") ? "server" : "agent");
  if (run.has("services")) {
    out.key("Services");
    out.begin_list();
    const std::string patterns = run.flag("services");
    for (std::size_t from = 0; from <= patterns.size();) {
      const auto comma = std::min(patterns.find(',', from), patterns.size());
      out.string(patterns.substr(from, comma - from));
      from = comma + 1;
    }
    out.end_list();
  }
  if (uses != 0) {
    out.key("Uses");
    out.unsigned_integer(uses);
  }
  for (const auto& [flag, name] : {std::pair{"life", "Life"}, std::pair{"description", "Description"}}) {
    if (!run.has(flag)) continue;
    out.key(name);
    out.string(run.flag(flag));
  }
  out.end_object();
  return body;
}

Status token_join(Invocation& run) {
  MESH_TRY(uses, uses_of(run));
  MESH_TRY(client, run.client());
  MESH_TRY(answer, client->call(net::HttpMethod::Post, "/v1/mesh/join-tokens", join_token_body(run, uses)));
  MESH_TRY(made, parse_json(answer.body).context("while reading the agent's answer"));
  if (run.json()) run.print_json(made);
  else run.print(cell(made, "Text") + "\n");
  return {};
}

}  // namespace

std::vector<Command> cluster_commands() {
  return {cluster_init_command(),
          {.path = "cluster status",
           .summary = "The servers of the mesh: leader, voters, term, and how each is",
           .examples = {{"meshctl cluster status", "who leads, as this host's agent knows it"}},
           .run = status},
          {.path = "cluster remove",
           .summary = "Take another host out of the mesh: one that is dead, or must go",
           .details = "Its certificate counts no more and its services leave the catalog. A server leaves the cluster as well, unless it\n"
                      "is the last one or too few of the others would be left to agree. A host that lives leaves by 'meshctl leave'.",
           .arguments = {{.name = "NODE", .help = "name or id of the node"}},
           .examples = {{"meshctl cluster remove host-c", "a server whose disk is gone; then join another with a server token"}},
           .run = remove_member},
          {.path = "cluster members",
           .summary = "The same as 'members'",
           .examples = {{"meshctl cluster members", "one line for each agent"}},
           .run = list_members}};
}

std::vector<Command> token_commands() {
  return {{.path = "token join",
           .summary = "Make a join token, which lets further hosts in",
           .details = "Needs root or group mesh on a server, or a management token. The output is the token and nothing else,\n"
                      "so that it can be piped; it is a secret and is shown this once.",
           .flags = {{.name = "server", .help = "the host becomes a server"},
                     {.name = "services", .value = "PATTERNS", .help = "what the host may run: web,api-* (default: all)"},
                     {.name = "uses", .value = "N", .help = "how many hosts may join with it (default: 1)"},
                     {.name = "life", .value = "TIME", .help = "how long it is good for (default: 24h)"},
                     {.name = "description", .value = "TEXT", .help = "for people"}},
           .examples = {{"meshctl token join", "one host, within a day"},
                        {"meshctl token join --server", "for a second or third server"}},
           .run = token_join}};
}

}  // namespace mesh::cli
