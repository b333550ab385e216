#include "server/members.h"

#include <algorithm>

#include "model/names.h"
#include "net/crypto.h"

namespace mesh::server {

namespace {

Status check_secret(const State& state, const model::AdmitCommand& body) {
  const model::JoinToken* token = state.join_token(body.token_id);
  if (token != nullptr && net::equal_constant_time(token->secret_hash, body.secret_hash)) return {};
  return bad_join_token();
}

// REQUIRES check_secret.
Status check_use(const State& state, const model::AdmitCommand& body, WallTime time) {
  const model::JoinToken& token = *state.join_token(body.token_id);
  if (token.uses_left > 0 && token.expires_at > time && token.kind == body.member.kind) return {};
  return bad_join_token();
}

Status check_room(const State& state, const model::Member& member) {
  if (member.kind != model::JoinKind::Server) return {};
  if (state.catalog().cluster() == nullptr) return error(Code::Precondition, "the cluster is still being made");
  if (state.servers().size() < kServersMax || state.catalog().server_on(member.node_id) != nullptr) return {};
  return error(Code::Precondition, "the cluster has {} servers, which is the most there may be: join as an agent", kServersMax);
}

Status check_name_free(const State& state, std::string_view name, const model::NodeId& node_id) {
  const model::NodeId* holder = state.member_named(name);
  if (holder == nullptr || *holder == node_id) return {};
  return error(Code::Conflict,
               "the node name {} belongs to member {}: choose another, or let that host leave first", name,
               holder->text());
}

Status check_own_leaf(const State& state, const model::Member& member, const model::LeafIssuedCommand& body) {
  if (member.key_hash != body.key_hash) {
    return error(Code::Denied, "node {} is bound to another key: join again under a new node id", member.name);
  }
  return body.node_name.empty() ? Status() : check_name_free(state, body.node_name, member.node_id);
}

Status check_service(const State& state, const model::Member& member, std::string_view service) {
  if (!model::is_mesh_name(service)) return error(Code::Invalid, "\"{}\" is no name for a service of the mesh", service);
  if (!model::service_allowed(member.services, service)) {
    return error(Code::Denied, "the join token of node {} does not allow service {}", member.name, service);
  }
  const auto placed = state.catalog().instances_on(member.node_id);
  const bool found = std::any_of(placed.begin(), placed.end(), [&](const model::ServiceInstance* instance) {
    return model::same_name(instance->name, service);
  });
  if (found) return {};
  return error(Code::NotFound, "service {} is not registered on node {}", service, member.name);
}

}  // namespace

Error bad_join_token() { return error(Code::Denied, "unknown, used up or expired join token"); }

bool is_admitted(const State& state, const model::AdmitCommand& body) {
  const model::Member* member = state.member(body.member.node_id);
  return member != nullptr && !member->revoked_at && member->key_hash == body.member.key_hash &&
         !body.token_id.empty() && member->token_id == body.token_id;
}

Status check_admit(const State& state, const model::AdmitCommand& body, WallTime time) {
  MESH_TRY_STATUS(check_secret(state, body));
  const model::Member* member = state.member(body.member.node_id);
  if (member != nullptr && member->revoked_at) {
    return error(Code::Denied, "node {} was removed from the cluster: join under a new node id",
                 member->node_id.text());
  }
  if (member != nullptr && member->key_hash != body.member.key_hash) {
    return error(Code::Conflict, "node {} is bound to another key: join under a new node id",
                 member->node_id.text());
  }
  if (!is_admitted(state, body)) {
    MESH_TRY_STATUS(check_use(state, body, time));
    MESH_TRY_STATUS(check_room(state, body.member));
  }
  return check_name_free(state, body.member.name, body.member.node_id);
}

Status check_not_last_server(const State& state, const model::NodeId& node_id) {
  if (state.catalog().server_on(node_id) == nullptr || state.servers().size() > 1) return {};
  return error(Code::Precondition,
               "this is the only server: without it there is no cluster; let others join first ('meshctl token join "
               "--server'); to end the mesh itself, stop the server, then 'meshctl leave --force'");
}

Status check_speaks_as_server(const State& state, std::string_view node_id) {
  const model::Member* member = state.member(node_id);
  if (member == nullptr) return {};
  if (member->revoked_at) return error(Code::Denied, "node {} was removed from the cluster", member->name);
  if (member->kind != model::JoinKind::Server) return error(Code::Denied, "node {} is no server", member->name);
  return {};
}

Status check_may_have_leaf(const State& state, const model::NodeId& node_id, std::string_view service) {
  const model::Member* member = state.member(node_id);
  if (member == nullptr) return error(Code::Denied, "node {} is no member of the cluster", node_id.text());
  if (member->revoked_at) {
    return error(Code::Denied, "node {} was removed from the cluster", member->name);
  }
  return service.empty() ? Status() : check_service(state, *member, service);
}

Status check_leaf(const State& state, const model::LeafIssuedCommand& body) {
  MESH_TRY_STATUS(check_may_have_leaf(state, body.leaf.node_id, body.leaf.service));
  if (!body.leaf.service.empty()) return {};
  return check_own_leaf(state, *state.member(body.leaf.node_id), body);
}

}  // namespace mesh::server
