// Handlers of intentions: who may call whom. Reads from the view, with the data plane's own decision; writes by the servers.
#include "agent/http_api/call.h"
#include "agent/http_api/reading.h"
#include "agent/http_api/routes.h"
#include "base/message_json.h"
#include "model/authorize.h"
#include "model/names.h"

namespace mesh::agent {
namespace {

struct Pair {
  std::string source;
  std::string destination;
};

// A name as Consul's clients write it; "default/web" and "default/default/web" name no other place than we have.
std::string plain_name(std::string_view text) {
  while (text.starts_with("default/")) text.remove_prefix(std::string_view("default/").size());
  return std::string(text);
}

Result<Pair> pair_of(const Target& target) {
  Pair pair;
  for (const auto& [name, value] : {std::pair{"source", &pair.source}, std::pair{"destination", &pair.destination}}) {
    *value = plain_name(target.query.get(name).value_or(""));
    if (value->empty()) return error(Code::Invalid, "required query parameter '{}' is not set", name);
  }
  return pair;
}

// With what Consul's clients expect beside: there is one namespace, and every source is one of ours.
void write_intention(JsonWriter& out, const model::Intention& intention) {
  std::string members = to_json(intention);
  members.pop_back();  // "}"
  members += R"(,"SourceNS":"default","DestinationNS":"default","SourceType":"consul"})";
  out.raw(members);
}

Status write_found(Reading& reading, const model::Intention* intention) {
  if (intention == nullptr) return error(Code::NotFound, "Intention not found");
  write_intention(reading.json(), *intention);
  return {};
}

void answer_id(Call& call, const model::CommandResult& result) {
  std::string body;
  JsonWriter out(body);
  out.begin_object();
  out.key("ID");
  out.string(result.id);
  out.end_object();
  call.reply_json(std::move(body));
}

Result<model::IntentionUpsertCommand> upsert_of(Call& call, const Pair* pair) {
  MESH_TRY_STATUS(call.check_datacenter());
  MESH_TRY(intention, call.body_as<model::Intention>());
  model::IntentionUpsertCommand command;
  command.intention = std::move(intention);
  if (pair != nullptr) {
    command.intention.id.clear();
    command.intention.source = pair->source;
    command.intention.destination = pair->destination;
  }
  command.intention.source = plain_name(command.intention.source);
  command.intention.destination = plain_name(command.intention.destination);
  return command;
}

void put(std::unique_ptr<Call> call, const Pair* pair, void (*answer)(Call&, const model::CommandResult&)) {
  auto command = upsert_of(*call, pair);
  if (!command.ok()) return call->fail(command.error());
  apply(std::move(call), model::make_command(std::move(command).value()), answer);
}

}  // namespace

Status handlers::intentions_list(Reading& reading) {
  if (!reading.newer(reading.catalog().intentions_index())) return {};
  reading.json().begin_list();
  for (const model::Intention* intention : reading.catalog().intentions()) write_intention(reading.json(), *intention);
  reading.json().end_list();
  return {};
}

Status handlers::intention_exact(Reading& reading) {
  MESH_TRY(pair, pair_of(reading.target()));
  if (!reading.newer(reading.catalog().intentions_index())) return {};
  return write_found(reading, reading.catalog().intention_between(pair.source, pair.destination));
}

Status handlers::intention_by_id(Reading& reading) {
  if (!reading.newer(reading.catalog().intentions_index())) return {};
  return write_found(reading, reading.catalog().intention(reading.argument(0)));
}

Status handlers::intention_check(Reading& reading) {
  MESH_TRY(pair, pair_of(reading.target()));
  if (!reading.newer(reading.catalog().intentions_index())) return {};
  const model::IntentionRules rules(reading.catalog().intentions(), reading.catalog().default_action());
  const model::Decision decision = rules.decide(pair.source, pair.destination);
  JsonWriter& out = reading.json();
  out.begin_object();
  out.key("Allowed");
  out.boolean(decision.allowed);
  out.key("Reason");
  out.string(enum_text(decision.reason));
  out.key("Rule");
  out.string(decision.rule);
  out.end_object();
  return {};
}

void handlers::intention_create(std::unique_ptr<Call> call) { put(std::move(call), nullptr, answer_id); }

void handlers::intention_exact_put(std::unique_ptr<Call> call) {
  const auto pair = pair_of(call->target());
  if (!pair.ok()) return call->fail(pair.error());
  put(std::move(call), &*pair, answer_applied);
}

void handlers::intention_exact_delete(std::unique_ptr<Call> call) {
  const auto pair = pair_of(call->target());
  if (!pair.ok()) return call->fail(pair.error());
  model::IntentionDeleteCommand command;
  command.source = pair->source;
  command.destination = pair->destination;
  apply(std::move(call), model::make_command(std::move(command)));
}

void handlers::intention_delete(std::unique_ptr<Call> call) {
  model::IntentionDeleteCommand command;
  command.id = call->argument(0);
  apply(std::move(call), model::make_command(std::move(command)));
}

}  // namespace mesh::agent
