// Handlers of the key-value store. Entries live on the servers; blocking happens there.
#include "agent/http_api/call.h"
#include "agent/http_api/read_headers.h"
#include "agent/http_api/routes.h"
#include "base/message_json.h"
#include "base/utf8.h"
#include "model/kv.h"
#include "model/names.h"

namespace mesh::agent {
namespace {

constexpr Duration kBlockingSlack = seconds(15);  // beyond the wait, before a blocking read is given up

// Of a key or a prefix of keys. Answers are JSON, which cannot show other bytes than UTF-8; control characters are refused as
// Consul refuses them in a URL.
Status check_key_text(std::string_view key) {
  if (!is_utf8(key)) return error(Code::Invalid, "key: is not UTF-8");
  if (const auto fault = model::text_fault(key, key.size()); !fault.empty()) return error(Code::Invalid, "key: {}", fault);
  return {};
}

Status check_key(std::string_view key) {
  if (key.empty()) return error(Code::Invalid, "Missing key name");
  if (key.size() > model::kKvKeyMax) {
    return error(Code::Invalid, "key: {} bytes, at most {} are allowed", key.size(), model::kKvKeyMax);
  }
  return check_key_text(key);
}

Result<model::KvReadRequest> read_request(const Call& call) {
  MESH_TRY_STATUS(call.check_datacenter());
  MESH_TRY(options, read_options(call.target()));
  model::KvReadRequest request;
  request.mode = options.mode;
  request.token = call.caller().token;
  request.key = call.argument(0);
  request.recurse = call.target().flag("recurse");
  request.keys_only = call.target().flag("keys");
  request.separator = std::string(call.target().query.get("separator").value_or(""));
  request.min_index = options.min_index;
  request.wait = options.min_index != 0 ? options.wait : Duration{0};
  if (!request.recurse && !request.keys_only) MESH_TRY_STATUS(check_key(request.key));
  MESH_TRY_STATUS(check_key_text(request.key));
  return request;
}

net::HttpResponse raw_value(model::KvReadResponse answer) {
  net::HttpResponse response;
  response.headers.add("Content-Type", "text/plain; charset=utf-8");
  response.headers.add("X-Content-Type-Options", "nosniff");
  response.headers.add("Content-Security-Policy", "sandbox");
  response.body = std::move(answer.entries.front().value);
  return response;
}

net::HttpResponse entries_or_keys(const Target& target, const model::KvReadResponse& answer) {
  std::string body;
  JsonWriter out(body, JsonWriter::Options{.pretty = target.flag("pretty")});
  out.begin_list();
  for (const std::string& key : answer.keys) out.string(key);
  for (const model::KvEntry& entry : answer.entries) write_json(out, entry);
  out.end_list();
  return json_response(std::move(body));
}

void answer_read(Call& call, model::KvReadResponse answer) {
  const ReadHeaders headers{
      .index = answer.index, .known_leader = answer.known_leader, .last_contact = answer.last_contact};
  net::HttpResponse response;
  if (answer.entries.empty() && answer.keys.empty()) {
    response.status = 404;
  } else if (call.target().flag("raw") && !answer.entries.empty()) {
    response = raw_value(std::move(answer));
  } else {
    response = entries_or_keys(call.target(), answer);
  }
  add_read_headers(response, headers);
  call.reply(std::move(response));
}

Result<model::KvCommand> put_command(Call& call) {
  MESH_TRY_STATUS(call.check_datacenter());
  MESH_TRY_STATUS(check_key(call.argument(0)));
  for (const char* lock : {"acquire", "release"}) {
    if (call.target().query.has(lock)) return error(Code::Unsupported, "{}: sessions are not offered yet", lock);
  }
  MESH_TRY(flags, call.target().number("flags"));
  MESH_TRY(cas, call.target().number("cas"));
  model::KvCommand command;
  command.op = cas ? model::KvOp::Cas : model::KvOp::Set;
  command.key = call.argument(0);
  command.flags = flags.value_or(0);
  command.index = cas.value_or(0);
  command.value = call.take_body();
  return command;
}

Result<model::KvCommand> delete_command(Call& call) {
  MESH_TRY_STATUS(call.check_datacenter());
  MESH_TRY(cas, call.target().number("cas"));
  const bool recurse = call.target().flag("recurse");
  if (cas && recurse) return error(Code::Invalid, "cas, recurse: cannot be had at once, give one of them");
  if (!recurse) MESH_TRY_STATUS(check_key(call.argument(0)));
  MESH_TRY_STATUS(check_key_text(call.argument(0)));
  if (cas && *cas == 0) return error(Code::Invalid, "cas: a delete needs an index above 0");
  model::KvCommand command;
  command.op = recurse ? model::KvOp::DeleteTree : cas ? model::KvOp::DeleteCas : model::KvOp::Delete;
  command.key = call.argument(0);
  command.index = cas.value_or(0);
  return command;
}

}  // namespace

void handlers::kv_get(std::unique_ptr<Call> call) {
  auto request = read_request(*call);
  if (!request.ok()) return call->fail(request.error());
  const MonoTime deadline =
      call->deadline(request->min_index != 0 ? request->wait + request->wait / 16 + kBlockingSlack : kReadTime);
  ServerClient& servers = call->parts().servers;
  servers.kv_read(std::move(request).value(), deadline,
                  [call = std::move(call)](Result<model::KvReadResponse> answer) {
                    answer.ok() ? answer_read(*call, std::move(answer).value()) : call->fail(answer.error());
                  });
}

void handlers::kv_put(std::unique_ptr<Call> call) {
  if (call->body().size() > model::kKvValueMax) {
    net::HttpResponse response = error_response(error(Code::Invalid, "Value is too large ({} > {} bytes)",
                                                      call->body().size(), model::kKvValueMax));
    response.status = 413;
    return call->reply(std::move(response));
  }
  auto command = put_command(*call);
  if (!command.ok()) return call->fail(command.error());
  apply(std::move(call), model::make_command(std::move(command).value()));
}

void handlers::kv_delete(std::unique_ptr<Call> call) {
  auto command = delete_command(*call);
  if (!command.ok()) return call->fail(command.error());
  apply(std::move(call), model::make_command(std::move(command).value()));
}

}  // namespace mesh::agent
