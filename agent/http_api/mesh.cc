// Handlers of what Consul does not have: /v1/mesh/.
#include "agent/http_api/bodies.h"
#include "agent/http_api/call.h"
#include "agent/http_api/routes.h"
#include "base/uuid.h"
#include "model/names.h"

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
  out.servers = std::move(status.servers);
  out.state_hash = std::move(status.state_hash);
  return out;
}

constexpr Duration kLeaderTime = seconds(2);
constexpr Duration kRemoveTime = seconds(8);  // less than meshctl waits

// The node's id, by id or name: also of a server that the catalog has as a server only.
Result<model::NodeId> node_named(const model::Catalog& catalog, const std::string& node) {
  if (Uuid::parse(node).ok()) return model::NodeId(model::fold_name(node));
  if (const model::Node* found = catalog.node_by_name(node)) return found->id;
  for (const model::Server* server : catalog.servers()) {
    if (model::same_name(server->name, node)) return server->node_id;
  }
  return error(Code::NotFound, "the mesh has no node {}", node);
}

}  // namespace

// The leader knows how the others are; without one, any server says who there is.
void handlers::mesh_cluster(std::unique_ptr<Call> call) {
  ServerClient& servers = call->parts().servers;
  const MonoTime deadline = call->deadline(kLeaderTime);
  servers.leader_status(deadline, [call = std::move(call), &servers](Result<model::StatusResponse> status) mutable {
    if (status.ok()) return answer(*call, cluster_of(call->view(), std::move(status).value()));
    const MonoTime later = call->deadline(kReadTime);
    servers.status(later, [call = std::move(call)](Result<model::StatusResponse> any) {
      if (!any.ok()) return call->fail(any.error());
      answer(*call, cluster_of(call->view(), std::move(any).value()));
    });
  });
}

void handlers::mesh_member_delete(std::unique_ptr<Call> call) {
  const Result<model::NodeId> node = node_named(call->view().catalog, std::string(call->argument(0)));
  if (!node.ok()) return call->fail(node.error());
  model::MemberRevokeCommand command;
  command.node_id = *node;
  ServerClient& servers = call->parts().servers;
  const MonoTime deadline = call->deadline(kRemoveTime);
  std::string token = call->caller().token;
  servers.apply(model::make_command(std::move(command)), std::move(token), deadline,
                [call = std::move(call)](const Result<model::CommandResult>& result) {
                  if (!result.ok()) return call->fail(result.error());
                  if (result->code != 0) return call->fail(Error{static_cast<Code>(result->code), result->message});
                  call->reply_json("true");
                });
}

void handlers::mesh_doctor(std::unique_ptr<Call> call) {
  Examine& examine = call->parts().examine;
  if (!examine) return call->fail(error(Code::Unsupported, "this agent does not look at its host"));
  examine([call = std::move(call)](Result<model::Diagnosis> diagnosis) {
    if (!diagnosis.ok()) return call->fail(diagnosis.error());
    answer(*call, *diagnosis);
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
