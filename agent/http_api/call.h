// One request that is not answered from the view: what its handler gets, and how it answers, now or later. One object
// per request, owned by the handler and then by the completion of what it waits for; API loop only. If the client is
// gone by then, the answer goes nowhere. Dropped unanswered: 500.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "agent/control.h"
#include "agent/http_api/access.h"
#include "agent/http_api/target.h"
#include "agent/server_client.h"
#include "agent/view.h"
#include "base/function.h"
#include "base/json.h"
#include "base/message_json.h"
#include "base/metrics.h"
#include "base/result.h"
#include "model/finding.h"
#include "net/http1/message.h"
#include "net/http1/server.h"

namespace mesh::net {
class Loop;
}

namespace mesh::agent {

inline constexpr Duration kWriteTime = seconds(10);       // until a write to the servers is given up
inline constexpr Duration kReadTime = seconds(7);         // until a read that needs a server is given up
inline constexpr std::string_view kPatienceHeader = "X-Mesh-Timeout";  // "2s", "500ms"
inline constexpr std::size_t kBodyBytesMax = 1024 * 1024; // of registrations and values with their framing

using ExamineDone = UniqueFunction<void(Result<model::Diagnosis>)>;
// Looks at this host (meshctl doctor); the completion fires later on the API loop.
using Examine = UniqueFunction<void(ExamineDone)>;

// What handlers may use; all of it outlives every call.
struct ApiParts {
  net::Loop& loop;
  AgentControl& control;
  ServerClient& servers;
  const MetricRegistry* metrics;  // may be null
  Examine examine;                // may be null
};

// The HTTP answer to an error: its status by the code, its text, X-Mesh-Error.
[[nodiscard]] net::HttpResponse error_response(const Error& error);
[[nodiscard]] net::HttpResponse json_response(std::string body);

class Call {
 public:
  Call(ApiParts& parts, net::HttpRequest request, Target target, ApiCaller caller, AgentViewPtr view,
       std::unique_ptr<net::HttpExchange> exchange);
  ~Call();
  Call(const Call&) = delete;
  Call& operator=(const Call&) = delete;

  [[nodiscard]] ApiParts& parts() { return parts_; }
  [[nodiscard]] const Target& target() const { return target_; }
  [[nodiscard]] const std::string& argument(std::size_t i) const { return target_.arguments.at(i); }
  [[nodiscard]] const ApiCaller& caller() const { return caller_; }
  [[nodiscard]] const AgentView& view() const { return *view_; }
  [[nodiscard]] const Bytes& body() const { return request_.body; }
  [[nodiscard]] Bytes take_body() { return std::move(request_.body); }
  // The body as a message. Invalid names the field and the reason.
  template <Message M>
  [[nodiscard]] Result<M> body_as() const {
    MESH_TRY(json, json_body());
    return from_json<M>(json);
  }
  // The dc parameter, and `in_body` if not empty, against the agent's own.
  [[nodiscard]] Status check_datacenter(std::string_view in_body = {}) const;
  // No later than the client waits, as far as it says so (kPatienceHeader): it is told by us, then, what did not answer.
  [[nodiscard]] MonoTime deadline(Duration from_now) const;

  // Each ends the call. REQUIRES not yet answered.
  void reply(net::HttpResponse response);
  void fail(const Error& error) { reply(error_response(error)); }
  void ok() { reply({}); }
  void reply_json(std::string json);
  void reply_bool(bool value) { reply_json(value ? "true" : "false"); }

 private:
  [[nodiscard]] Result<JsonValue> json_body() const;

  ApiParts& parts_;
  net::HttpRequest request_;
  Target target_;
  ApiCaller caller_;
  AgentViewPtr view_;
  std::unique_ptr<net::HttpExchange> exchange_;
  MonoTime patience_end_ = kNever;
};

// "true", or "false" for a compare-and-set that lost.
void answer_applied(Call& call, const model::CommandResult& result);
// Sends a command to the servers under the caller's token. Ends the call, with an error or by `answer`.
void apply(std::unique_ptr<Call> call, model::Command command,
           void (*answer)(Call&, const model::CommandResult&) = answer_applied);

// A completion without a value that answers the call: 200 with an empty body, or the error.
[[nodiscard]] AgentControl::Done answer_with_ok(std::unique_ptr<Call> call);

}  // namespace mesh::agent
