#include "server/identity_service.h"

#include <algorithm>
#include <utility>

#include "base/clock.h"
#include "base/log.h"
#include "base/uuid.h"
#include "model/join_ticket.h"
#include "model/names.h"
#include "net/crypto.h"
#include "net/random_uuid.h"
#include "server/authorize.h"
#include "server/issue.h"
#include "server/members.h"
#include "server/state_machine.h"
#include "server/validate.h"

namespace mesh::server {

namespace {

template <class M>
Result<M> read_request(const net::RpcRequest& request, std::size_t bytes_max) {
  Result<M> message = decode<M>(request.body, {.size_max = bytes_max, .memory_max = 16 * bytes_max});
  if (!message.ok()) return error(Code::Invalid, "a bad request: {}", message.error().message);
  return message;
}

Status check_csr(ByteView csr) {
  if (!csr.empty() && csr.size() <= IdentityService::kCsrBytesMax) return {};
  return error(Code::Invalid, "a certificate request has 1 to {} bytes", IdentityService::kCsrBytesMax);
}

}  // namespace

IdentityService::IdentityService(Parts parts) : parts_(std::move(parts)), refusals_(parts_.loop, parts_.refusal_delay) {
  if (parts_.metrics == nullptr) return;
  requests_ = parts_.metrics->counters({.name = "meshd_identity_requests_total",
                                        .help = "Requests to join or for certificates: signed, wrong_secret, or the code of the error.",
                                        .labels = {"call", "result"}});
  under_way_ = parts_.metrics->gauge({"meshd_identity_requests_under_way", "Certificates that are being made"});
}

IdentityService::~IdentityService() = default;

void IdentityService::serve(net::RpcServer& server, LeaderCalls& calls) {
  const auto unary = [&](std::string_view path, void (IdentityService::*handler)(net::RpcRequest, net::RpcReply),
                         bool may_repeat = true) {
    calls.handle(
        server, path,
        [this, handler](net::RpcRequest request, net::RpcReply reply) { (this->*handler)(std::move(request), std::move(reply)); },
        [may_repeat](const Bytes&) { return may_repeat; });
  };
  unary(model::kJoinPath, &IdentityService::join);
  unary(model::kSignPath, &IdentityService::sign);
  unary(model::kTokenCheckPath, &IdentityService::token_check);
  unary(model::kJoinTokenCreatePath, &IdentityService::join_token_create, false);  // another token each time
  unary(model::kJoinTokenListPath, &IdentityService::join_token_list);
}

Status IdentityService::check_serving() const {
  if (parts_.serves() && state().catalog().cluster() != nullptr) return {};
  return error(Code::Unavailable, "this server is not the leader");
}

Status IdentityService::check_can_sign() const {
  const model::CaRoot* root = active_root(state().catalog().roots());
  if (root != nullptr && state().sealed_key(root->id) != nullptr && parts_.ca.has_key()) return {};
  return error(Code::Precondition, "this server cannot sign certificates: it has no {}",
               parts_.ca.has_key() ? "root" : "ca.key in its data directory");
}

// --- certificates

void IdentityService::join(net::RpcRequest request, net::RpcReply reply) {
  const Result<model::JoinRequest> message = read_request<model::JoinRequest>(request, kJoinRequestBytesMax);
  if (!message.ok()) return answer(std::move(reply), true, message.error());
  const Status valid = check_join(*message);
  if (!valid.ok()) return answer(std::move(reply), true, valid.error());
  if (!may_know(*message)) {
    LOG_WARN("a host was refused: wrong join token", {"node", message->node_name}, {"id", message->node_id.text()});
    return refuse_late(std::move(reply), "join", bad_join_token());
  }
  const model::Member* member = state().member(message->node_id);
  Wanted wanted;
  wanted.join = true;
  wanted.subject.node_id = message->node_id;
  wanted.subject.kind = message->token_id.empty() ? member->kind : message->kind;
  wanted.node_name = message->node_name;
  wanted.token_id = message->token_id;
  wanted.secret_hash = net::sha256(message->secret);
  wanted.server_address = message->server_address;
  issue(std::move(wanted), message->csr, std::move(reply));
}

Status IdentityService::check_join(const model::JoinRequest& request) const {
  if (request.version != model::kJoinVersion) {
    return error(Code::Unsupported, "join version {}; this server speaks {}", request.version, model::kJoinVersion);
  }
  MESH_TRY_STATUS(check_serving());
  MESH_TRY_STATUS(check_can_sign());
  const model::Cluster& cluster = *state().catalog().cluster();
  if (request.cluster_id != cluster.id) {
    return error(Code::Precondition, "this is another cluster than the one of the join token");
  }
  if (!model::same_name(request.datacenter, cluster.datacenter)) {
    return error(Code::Precondition, "this is another datacenter than the one of the join token");
  }
  if (!Uuid::parse(request.node_id).ok()) return error(Code::Invalid, "the node id is no UUID");
  const std::string_view fault = model::name_fault(request.node_name);
  if (!fault.empty()) return error(Code::Invalid, "the node name \"{}\" {}", request.node_name, fault);
  return check_csr(request.csr);
}

// Whether arithmetic is due to this caller: it shows a token's secret, or names a member (whose key the CSR has to be
// signed with). The rest is decided when the key is known.
bool IdentityService::may_know(const model::JoinRequest& request) const {
  if (request.token_id.empty()) {
    const model::Member* member = state().member(request.node_id);
    return member != nullptr && !member->revoked_at;
  }
  const model::JoinToken* token = state().join_token(request.token_id);
  return token != nullptr && net::equal_constant_time(token->secret_hash, net::sha256(request.secret));
}

void IdentityService::sign(net::RpcRequest request, net::RpcReply reply) {
  const auto wanted = [&]() -> Result<std::pair<Wanted, Bytes>> {
    MESH_TRY(message, read_request<model::SignRequest>(request, kJoinRequestBytesMax));
    MESH_TRY_STATUS(check_serving());
    MESH_TRY(caller, caller_of(state(), request.peer, {}));
    MESH_TRY_STATUS(authorize(caller, state().catalog(), Wish::Sign));
    const bool local = caller.kind == net::RpcPeer::Kind::Local;
    if (!local && !message.node_id.empty() && message.node_id.text() != caller.node_id) {
      return error(Code::Denied, "a node asks for its own certificates only");
    }
    Wanted out;
    out.subject.node_id = local ? message.node_id : model::NodeId(caller.node_id);
    out.subject.service = message.service;
    out.node_name = message.node_name;
    MESH_TRY_STATUS(check_can_sign());
    MESH_TRY_STATUS(check_may_have_leaf(state(), out.subject.node_id, out.subject.service));
    out.subject.kind = state().member(out.subject.node_id)->kind;
    MESH_TRY_STATUS(check_csr(message.csr));
    return std::pair(std::move(out), std::move(message.csr));
  };
  Result<std::pair<Wanted, Bytes>> checked = wanted();
  if (!checked.ok()) return answer(std::move(reply), false, std::move(checked).error());
  issue(std::move(checked->first), std::move(checked->second), std::move(reply));
}

void IdentityService::issue(Wanted wanted, Bytes csr, net::RpcReply reply) {
  if (issuing_.size() >= kIssuingMax) {
    return answer(std::move(reply), wanted.join,
                  error(Code::Overloaded, "more than {} certificates are being made: try again later", kIssuingMax));
  }
  issuing_.push_back(std::make_unique<Issue>(*this, std::move(wanted), std::move(reply)));
  under_way_.set(static_cast<double>(issuing_.size()));
  issuing_.back()->start(std::move(csr));
}

void IdentityService::answer(net::RpcReply reply, bool join, Result<Bytes> result) {
  requests_.with({join ? "join" : "sign", result.ok() ? "signed" : code_name(result.error().code)}).add();
  reply.finish(std::move(result));
}

void IdentityService::refuse_late(net::RpcReply reply, std::string_view call, Error why) {
  requests_.with({call, "wrong_secret"}).add();
  refusals_.refuse(std::move(reply), std::move(why));
}

void IdentityService::remove(Issue& issue) {
  const auto place = std::find_if(issuing_.begin(), issuing_.end(), [&](const auto& each) { return each.get() == &issue; });
  if (place == issuing_.end()) return;
  parts_.loop.destroy_later(std::move(*place));
  issuing_.erase(place);
  under_way_.set(static_cast<double>(issuing_.size()));
}

// --- tokens

void IdentityService::token_check(net::RpcRequest request, net::RpcReply reply) {
  const auto allowed = [&]() -> Result<model::TokenCheckRequest> {
    MESH_TRY(message, read_request<model::TokenCheckRequest>(request, kJoinRequestBytesMax));
    MESH_TRY_STATUS(check_serving());
    MESH_TRY(caller, caller_of(state(), request.peer, {}));
    MESH_TRY_STATUS(authorize(caller, state().catalog(), Wish::CheckToken));
    return message;
  };
  const Result<model::TokenCheckRequest> message = allowed();
  if (!message.ok()) return reply.finish(message.error());
  const model::ManagementToken* token = find_management_token(state(), message->token);
  if (token == nullptr) return refuse_late(std::move(reply), "token_check", error(Code::Denied, "unknown token"));
  model::TokenCheckResponse response;
  response.accessor_id = token->id;
  response.management = true;
  reply.finish(encode(response));
}

Result<model::JoinTicket> IdentityService::new_ticket(model::JoinKind kind) const {
  MESH_TRY_STATUS(check_can_sign());
  const model::Cluster& cluster = *state().catalog().cluster();
  const model::CaRoot& root = *active_root(state().catalog().roots());
  MESH_TRY(chain, net::read_certificates(root.certificate).context("while reading the root"));
  model::JoinTicket ticket;
  ticket.cluster_id = cluster.id;
  ticket.datacenter = cluster.datacenter;
  ticket.domain = cluster.domain;
  ticket.kind = kind;
  ticket.servers = parts_.servers();
  ticket.servers.resize(std::min(ticket.servers.size(), model::kJoinTicketServersMax));
  ticket.ca_key_hash = chain.front().key_hash;
  ticket.token_id = net::random_uuid();
  ticket.secret = net::random_bytes(model::kJoinSecretBytes);
  return ticket;
}

void IdentityService::join_token_create(net::RpcRequest request, net::RpcReply reply) {
  struct Made {
    model::JoinTicket ticket;
    model::JoinTokenPutCommand put;
  };
  const auto make = [&]() -> Result<Made> {
    MESH_TRY(message, read_request<model::JoinTokenCreateRequest>(request, kJoinRequestBytesMax));
    MESH_TRY_STATUS(check_serving());
    MESH_TRY(caller, caller_of(state(), request.peer, message.token));
    MESH_TRY_STATUS(authorize(caller, state().catalog(), Wish::ManageTokens));
    if (message.life < Duration::zero() || message.life > model::kJoinTokenLifeMax) {
      return error(Code::Invalid, "a join token lives at most {} days", model::kJoinTokenLifeMax / hours(24));
    }
    MESH_TRY(ticket, new_ticket(message.kind));
    model::JoinTokenPutCommand put;
    put.token.id = ticket.token_id;
    put.token.secret_hash = net::sha256(ticket.secret);
    put.token.kind = message.kind;
    put.token.services = message.services.empty() ? std::vector<std::string>{"*"} : message.services;
    put.token.uses_left = std::max(message.uses, std::uint32_t{1});
    put.token.expires_at = wall_now() + (message.life == Duration::zero() ? model::kJoinTokenLifeDefault : message.life);
    put.token.description = message.description;
    MESH_TRY_STATUS(validate(model::make_command(put)));
    return Made{std::move(ticket), std::move(put)};
  };
  Result<Made> made = make();
  if (!made.ok()) return reply.finish(std::move(made).error());
  model::JoinTokenCreateResponse response;
  response.text = made->ticket.text();
  response.token = made->put.token;
  response.token.secret_hash.clear();
  parts_.propose(model::make_command(std::move(made->put)),
                 [reply = std::move(reply), response = std::move(response)](Result<Bytes> result) mutable {
                   const Status recorded = status_of(result);
                   if (!recorded.ok()) return reply.finish(recorded.error());
                   reply.finish(encode(response));
                 });
}

void IdentityService::join_token_list(net::RpcRequest request, net::RpcReply reply) {
  const auto list = [&]() -> Result<model::JoinTokenListResponse> {
    MESH_TRY(message, read_request<model::JoinTokenListRequest>(request, kJoinRequestBytesMax));
    MESH_TRY_STATUS(check_serving());
    MESH_TRY(caller, caller_of(state(), request.peer, message.token));
    MESH_TRY_STATUS(authorize(caller, state().catalog(), Wish::ManageTokens));
    model::JoinTokenListResponse response;
    state().join_tokens().each({}, [&](const Bytes&, const model::JoinToken& token) {
      response.tokens.push_back(token);
      response.tokens.back().secret_hash.clear();
    });
    return response;
  };
  const Result<model::JoinTokenListResponse> response = list();
  if (!response.ok()) return reply.finish(response.error());
  reply.finish(encode(*response));
}

}  // namespace mesh::server
