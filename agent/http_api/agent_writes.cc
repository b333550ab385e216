// Handlers that change what is on this agent. The agent loop does it and answers when the catalog has it.
#include "agent/http_api/bodies.h"
#include "agent/http_api/call.h"
#include "agent/http_api/routes.h"

namespace mesh::agent {
namespace {

void report(std::unique_ptr<Call> call, model::CheckStatus status) {
  AgentControl::CheckReport report{.check_id = call->argument(0),
                                   .status = status,
                                   .output = std::string(call->target().query.get("note").value_or(""))};
  AgentControl& control = call->parts().control;
  control.report_check(std::move(report), answer_with_ok(std::move(call)));
}

}  // namespace

void handlers::agent_service_register(std::unique_ptr<Call> call) {
  auto definition = call->body_as<model::ServiceDefinition>();
  if (!definition.ok()) return call->fail(definition.error());
  AgentControl::ServiceRegistration registration{
      .definition = std::move(*definition), .replace_existing_checks = call->target().flag("replace-existing-checks")};
  AgentControl& control = call->parts().control;
  control.register_service(std::move(registration), answer_with_ok(std::move(call)));
}

void handlers::agent_service_deregister(std::unique_ptr<Call> call) {
  AgentControl& control = call->parts().control;
  std::string id = call->argument(0);
  control.deregister_service(std::move(id), answer_with_ok(std::move(call)));
}

void handlers::agent_check_register(std::unique_ptr<Call> call) {
  auto definition = call->body_as<model::CheckDefinition>();
  if (!definition.ok()) return call->fail(definition.error());
  AgentControl& control = call->parts().control;
  control.register_check(std::move(*definition), answer_with_ok(std::move(call)));
}

void handlers::agent_check_deregister(std::unique_ptr<Call> call) {
  AgentControl& control = call->parts().control;
  std::string id = call->argument(0);
  control.deregister_check(std::move(id), answer_with_ok(std::move(call)));
}

void handlers::agent_check_pass(std::unique_ptr<Call> call) { report(std::move(call), model::CheckStatus::Passing); }

void handlers::agent_check_warn(std::unique_ptr<Call> call) { report(std::move(call), model::CheckStatus::Warning); }

void handlers::agent_check_fail(std::unique_ptr<Call> call) { report(std::move(call), model::CheckStatus::Critical); }

void handlers::agent_check_update(std::unique_ptr<Call> call) {
  auto body = call->body_as<CheckStatusBody>();
  if (!body.ok()) return call->fail(body.error());
  if (!body->status) return call->fail(error(Code::Invalid, "Status: required, one of passing, warning, critical"));
  AgentControl::CheckReport report{
      .check_id = call->argument(0), .status = *body->status, .output = std::move(body->output)};
  AgentControl& control = call->parts().control;
  control.report_check(std::move(report), answer_with_ok(std::move(call)));
}

void handlers::agent_leave(std::unique_ptr<Call> call) {
  AgentControl& control = call->parts().control;
  control.leave(answer_with_ok(std::move(call)));
}

}  // namespace mesh::agent
