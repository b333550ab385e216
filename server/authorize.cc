#include "server/authorize.h"

#include "model/names.h"
#include "model/protocol.h"
#include "net/crypto.h"

namespace mesh::server {

namespace {

using Kind = net::RpcPeer::Kind;

bool default_allow(const model::Catalog& catalog) {
  return catalog.default_action() == model::IntentionAction::Allow;
}

// What every caller has to be before anything else is asked.
Status check_standing(const Caller& caller) {
  if (caller.kind == Kind::Joining) return error(Code::Denied, "a host that has not joined may only join");
  if (caller.kind == Kind::Local) return {};
  const auto claimed = caller.kind == Kind::Server ? model::JoinKind::Server : model::JoinKind::Agent;
  if (caller.member == nullptr || caller.member->kind != claimed) {
    return error(Code::Denied, "node {} is no member of this cluster", caller.node_id);
  }
  if (caller.member->revoked_at) {
    return error(Code::Denied, "node {} {}", caller.member->name, model::kRemovedWords);
  }
  return {};
}

bool may_do_all(const Caller& caller) {
  return caller.kind == Kind::Local || caller.kind == Kind::Server || caller.management;
}

Status needs_token(std::string_view what) {
  return error(Code::Denied, "{} needs a management token (meshctl --secret-file, header X-Consul-Token), or root or group mesh on a server", what);
}

// A registration that speaks of the caller's own node only.
Status check_own_registration(const model::Member& member, const model::RegisterCommand& body) {
  if (body.node.id != member.node_id) return needs_token("registering another node");
  if (!model::same_name(body.node.name, member.name)) {
    return error(Code::Denied, "node {} joined as {} and is not registered as {}: restart its agent to rename it",
                 member.node_id.text(), member.name, body.node.name);
  }
  for (const model::ServiceInstance& service : body.services) {
    if (model::service_allowed(member.services, service.name)) continue;
    return error(Code::Denied, "the join token of node {} does not allow service {}", member.name, service.name);
  }
  return {};
}

// By id: a name may belong to somebody else by the time the command is applied.
bool is_own(const model::Member& member, std::string_view node) { return node == member.node_id.text(); }

Status check_agent_command(const model::Member& member, const model::Command& command) {
  switch (command.kind) {
    case model::CommandKind::Register:
      return check_own_registration(member, *command.registration);
    case model::CommandKind::Deregister:
      return is_own(member, command.deregistration->node) ? Status() : needs_token("deregistering from another node");
    case model::CommandKind::CheckUpdate:
      return is_own(member, command.check_update->node) ? Status() : needs_token("a check of another node");
    case model::CommandKind::Kv:
      return needs_token("writing the key-value store");
    case model::CommandKind::MemberRevoke:
      return is_own(member, command.member_revoke->node_id) ? Status() : needs_token("removing another member");
    default:
      return needs_token("this");
  }
}

Status check_own_server(const Caller& caller, const model::ServerUpdateCommand& body) {
  if (caller.kind == Kind::Server && is_own(*caller.member, body.node_id)) return {};
  return error(Code::Denied, "only a server itself tells where it is");
}

// What default allow leaves closed.
bool makes_identity(model::CommandKind kind) {
  return kind == model::CommandKind::JoinTokenDelete || kind == model::CommandKind::MemberRevoke;
}

// What only a server makes, after checks of its own: no caller may send it.
bool is_internal(model::CommandKind kind) {
  return kind == model::CommandKind::Init || kind == model::CommandKind::Admit ||
         kind == model::CommandKind::LeafIssued || kind == model::CommandKind::JoinTokenPut ||
         kind == model::CommandKind::NodeHealth;
}

// A host that has left asks again: the answer was lost on its way.
bool repeats_leave(const Caller& caller, const model::Command& command) {
  return command.kind == model::CommandKind::MemberRevoke && caller.member != nullptr && caller.member->revoked_at &&
         is_own(*caller.member, command.member_revoke->node_id);
}

}  // namespace

const model::ManagementToken* find_management_token(const State& state, std::string_view secret) {
  const Bytes hash = net::sha256(secret);
  const model::ManagementToken* found = nullptr;
  state.management_tokens().each({}, [&](const Bytes&, const model::ManagementToken& token) {
    if (net::equal_constant_time(token.secret_hash, hash)) found = &token;
  });
  return found;
}

Result<Caller> caller_of(const State& state, const net::RpcPeer& peer, std::string_view token) {
  Caller caller;
  caller.kind = peer.kind;
  caller.node_id = peer.id;
  if (peer.kind == Kind::Agent || peer.kind == Kind::Server) caller.member = state.member(peer.id);
  if (token.empty() || peer.kind == Kind::Joining) return caller;
  caller.management = find_management_token(state, token) != nullptr;
  if (!caller.management && !default_allow(state.catalog())) return error(Code::Denied, "unknown token");
  return caller;
}

Status authorize(const Caller& caller, const model::Catalog& catalog, Wish wish) {
  if (wish == Wish::Join) return {};
  MESH_TRY_STATUS(check_standing(caller));
  switch (wish) {
    case Wish::Join:
    case Wish::Sign:
    case Wish::ReadCatalog:
    case Wish::CheckToken:
      return {};
    case Wish::ReadKv:
      if (may_do_all(caller) || default_allow(catalog)) return {};
      return needs_token("reading the key-value store");
    case Wish::ManageTokens:
      return may_do_all(caller) ? Status() : needs_token("a join token");
    case Wish::Forward:
      break;
  }
  return caller.kind == Kind::Server ? Status() : error(Code::Denied, "only servers pass calls on");
}

Status authorize(const Caller& caller, const model::Catalog& catalog, const model::Command& command) {
  if (repeats_leave(caller, command)) return {};
  MESH_TRY_STATUS(check_standing(caller));
  if (is_internal(command.kind)) {
    return error(Code::Denied, "a command of kind '{}' is made by servers themselves", enum_text(command.kind));
  }
  if (command.kind == model::CommandKind::ServerUpdate) return check_own_server(caller, *command.server_update);
  if (may_do_all(caller)) return {};
  if (default_allow(catalog) && !makes_identity(command.kind)) return {};
  return check_agent_command(*caller.member, command);
}

}  // namespace mesh::server
