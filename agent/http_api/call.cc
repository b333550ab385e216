#include "agent/http_api/call.h"

#include <algorithm>

#include "base/time_text.h"
#include "net/loop.h"

namespace mesh::agent {
namespace {

// Consul's: clients retry on 500 and on nothing else, so whatever may pass by itself is 500.
int status_of(Code code) {
  switch (code) {
    case Code::Invalid: return 400;
    case Code::Unauthenticated:
    case Code::Denied: return 403;
    case Code::NotFound: return 404;
    case Code::Conflict: return 409;
    case Code::Overloaded: return 429;
    case Code::Unsupported: return 501;
    case Code::Unavailable:
    case Code::Timeout:
    case Code::Precondition:
    case Code::Corrupt:
    case Code::Cancelled:
    case Code::Io:
    case Code::Internal: return 500;
  }
  return 500;
}

}  // namespace

net::HttpResponse error_response(const Error& error) {
  net::HttpResponse response = net::text_response(status_of(error.code), error.message);
  response.headers.set("X-Mesh-Error", std::string(code_name(error.code)));
  return response;
}

net::HttpResponse json_response(std::string body) {
  net::HttpResponse response;
  response.headers.add("Content-Type", "application/json");
  response.body = std::move(body);
  return response;
}

Call::Call(ApiParts& parts, net::HttpRequest request, Target target, ApiCaller caller, AgentViewPtr view,
           std::unique_ptr<net::HttpExchange> exchange)
    : parts_(parts),
      request_(std::move(request)),
      target_(std::move(target)),
      caller_(std::move(caller)),
      view_(std::move(view)),
      exchange_(std::move(exchange)) {
  const auto said = request_.headers.get(kPatienceHeader);
  const auto patience = said ? parse_duration(*said) : std::nullopt;
  if (patience && *patience > Duration{} && *patience < hours(1)) patience_end_ = parts_.loop.now() + *patience * 9 / 10;
}

Call::~Call() = default;

Result<JsonValue> Call::json_body() const {
  if (request_.body.empty()) return error(Code::Invalid, "body: empty, a JSON object is expected");
  auto json = parse_json(request_.body, {.size_max = kBodyBytesMax});
  if (!json.ok()) return std::move(json).context("body");
  if (!json->is_object()) return error(Code::Invalid, "body: {} where a JSON object is expected", json->describe());
  return json;
}

Status Call::check_datacenter(std::string_view in_body) const {
  MESH_TRY_STATUS(agent::check_datacenter(target_.query.get("dc").value_or(""), view_->datacenter));
  return agent::check_datacenter(in_body, view_->datacenter);
}

MonoTime Call::deadline(Duration from_now) const { return std::min(parts_.loop.now() + from_now, patience_end_); }

void Call::reply(net::HttpResponse response) {
  CHECK(exchange_ != nullptr, "a call answered twice");
  exchange_->reply(std::move(response));
  exchange_.reset();
}

void Call::reply_json(std::string json) {
  if (target_.flag("pretty")) json += '\n';
  reply(json_response(std::move(json)));
}

void answer_applied(Call& call, const model::CommandResult& result) { call.reply_bool(result.applied); }

void apply(std::unique_ptr<Call> call, model::Command command, void (*answer)(Call&, const model::CommandResult&)) {
  ServerClient& servers = call->parts().servers;
  const MonoTime deadline = call->deadline(kWriteTime);
  std::string token = call->caller().token;
  servers.apply(std::move(command), std::move(token), deadline,
                [call = std::move(call), answer](const Result<model::CommandResult>& result) {
                  if (!result.ok()) return call->fail(result.error());
                  answer(*call, *result);
                });
}

AgentControl::Done answer_with_ok(std::unique_ptr<Call> call) {
  return [call = std::move(call)](const Status& status) { status.ok() ? call->ok() : call->fail(status.error()); };
}

}  // namespace mesh::agent
