#include "base/file.h"
#include "cli/commands/commands.h"
#include "cli/invocation.h"

namespace mesh::cli {
namespace {

constexpr ByteCount kValueBytesMax{512 * 1024};  // the servers' own bound

std::string path_of(std::string_view key) { return "/v1/kv/" + url_escape(key, "/"); }

Status get(Invocation& run) {
  MESH_TRY(client, run.client());
  const std::string& key = run.argument(0);
  if (run.json()) {
    MESH_TRY(entries, client->get_json(path_of(key)));
    run.print_json(entries);
    return {};
  }
  const auto answer = client->call(net::HttpMethod::Get, path_of(key) + "?raw");
  if (!answer.ok() && answer.error().code == Code::NotFound) return error(Code::NotFound, "there is no key '{}'", key);
  if (!answer.ok()) return answer.error();
  run.print(answer->body);
  run.print("\n");
  return {};
}

Status list(Invocation& run) {
  MESH_TRY(client, run.client());
  const std::string prefix = run.argument_count() > 0 ? run.argument(0) : std::string();
  const auto found = client->get_json(path_of(prefix) + "?keys");
  if (!found.ok() && found.error().code == Code::NotFound)
    return error(Code::NotFound, "there is no key{}", prefix.empty() ? std::string() : fmt::format(" that begins with '{}'", prefix));
  if (!found.ok()) return found.error();
  const JsonValue& keys = *found;
  if (run.json()) run.print_json(keys);
  else
    for (const JsonValue& key : keys.items()) run.print(fmt::format("{}\n", key.string().value_or("")));
  return {};
}

Result<Bytes> value_to_put(Invocation& run) {
  if (run.has("file") && run.argument_count() > 1)
    return error(Code::Invalid, "give the value either as VALUE or by --file, not both");
  if (run.has("file")) return read_input_file(run.flag("file"), kValueBytesMax);
  if (run.argument_count() > 1) return Bytes(run.argument(1));
  return error(Code::Invalid, "'kv put' needs VALUE or --file");
}

// The servers answer `false` when a compare-and-set lost.
Status check_done(const net::HttpResponse& answer, std::string_view key) {
  if (!answer.body.starts_with("false")) return {};
  return error(Code::Conflict, "'{}' has changed meanwhile; read it again and use its new index", key);
}

Status put(Invocation& run) {
  MESH_TRY(value, value_to_put(run));
  MESH_TRY(client, run.client());
  const std::string& key = run.argument(0);
  std::string path = path_of(key);
  if (run.has("cas")) path += "?cas=" + url_escape(run.flag("cas"));
  MESH_TRY(answer, client->call(net::HttpMethod::Put, path, std::move(value)));
  MESH_TRY_STATUS(check_done(answer, key));
  if (run.json()) run.print_json(JsonValue(true));
  return {};
}

Status remove(Invocation& run) {
  MESH_TRY(client, run.client());
  const std::string& key = run.argument(0);
  MESH_TRY(answer, client->call(net::HttpMethod::Delete, path_of(key) + (run.has("recurse") ? "?recurse" : "")));
  MESH_TRY_STATUS(check_done(answer, key));
  if (run.json()) run.print_json(JsonValue(true));
  return {};
}

}  // namespace

std::vector<Command> kv_commands() {
  return {
      {.path = "kv get",
       .summary = "Print the value of a key",
       .arguments = {{.name = "KEY", .help = "the key"}},
       .examples = {{"meshctl kv get app/color", "prints the value and a newline"}},
       .run = get},
      {.path = "kv list",
       .summary = "Print the keys under a prefix",
       .arguments = {{.name = "PREFIX", .help = "default: all keys", .optional = true}},
       .examples = {{"meshctl kv list app/", "one key a line"}},
       .run = list},
      {.path = "kv put",
       .summary = "Set a key",
       .arguments = {{.name = "KEY", .help = "the key"}, {.name = "VALUE", .help = "the value", .optional = true}},
       .flags = {{.name = "file", .value = "FILE", .help = "take the value from this file"},
                 {.name = "cas", .value = "INDEX", .help = "only if the key's ModifyIndex is this; 0: only if new"}},
       .examples = {{"meshctl kv put app/color blue", "sets app/color"}},
       .run = put},
      {.path = "kv delete",
       .summary = "Delete a key",
       .arguments = {{.name = "KEY", .help = "the key, or with --recurse a prefix"}},
       .flags = {{.name = "recurse", .help = "delete every key with this prefix"}},
       .examples = {{"meshctl kv delete app/ --recurse", "deletes all keys under app/"}},
       .run = remove},
  };
}

}  // namespace mesh::cli
