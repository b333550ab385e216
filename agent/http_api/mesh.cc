// Handlers of what Consul does not have: /v1/mesh/.
#include "agent/http_api/bodies.h"
#include "agent/http_api/call.h"
#include "agent/http_api/routes.h"

namespace mesh::agent {
namespace {

template <Message M>
void answer(Call& call, const M& message) {
  std::string body;
  JsonWriter out(body, JsonWriter::Options{.pretty = call.target().flag("pretty")});
  write_json(out, message);
  call.reply_json(std::move(body));
}

ClusterAnswer cluster_of(const AgentView& view, model::StatusResponse status) {
  ClusterAnswer out;
  if (const model::Cluster* cluster = view.catalog.cluster()) {
    out.domain = cluster->domain;
    out.default_action = cluster->default_action;
  }
  out.datacenter = view.datacenter;
  out.cluster_id = std::move(status.cluster_id);
  out.leader = std::move(status.leader);
  out.voters = std::move(status.peers);
  out.term = status.term;
  out.commit_index = status.commit_index;
  out.applied_index = status.applied_index;
  return out;
}

}  // namespace

void handlers::mesh_cluster(std::unique_ptr<Call> call) {
  ServerClient& servers = call->parts().servers;
  const MonoTime deadline = call->deadline(kReadTime);
  servers.status(deadline, [call = std::move(call)](Result<model::StatusResponse> status) {
    if (!status.ok()) return call->fail(status.error());
    answer(*call, cluster_of(call->view(), std::move(status).value()));
  });
}

void handlers::mesh_join_token_create(std::unique_ptr<Call> call) {
  auto body = call->body_as<JoinTokenBody>();
  if (!body.ok()) return call->fail(body.error());
  model::JoinTokenCreateRequest request;
  request.token = call->caller().token;
  request.kind = body->kind;
  request.services = std::move(body->services);
  request.uses = body->uses;
  request.life = body->life;
  request.description = std::move(body->description);
  ServerClient& servers = call->parts().servers;
  const MonoTime deadline = call->deadline(kWriteTime);
  servers.create_join_token(request, deadline, [call = std::move(call)](Result<model::JoinTokenCreateResponse> made) {
    if (!made.ok()) return call->fail(made.error());
    JoinTokenAnswer out;
    out.text = std::move(made->text);
    out.token = std::move(made->token);
    answer(*call, out);
  });
}

}  // namespace mesh::agent
