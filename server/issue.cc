#include "server/issue.h"

#include <algorithm>
#include <utility>

#include "base/clock.h"
#include "base/log.h"
#include "net/crypto.h"
#include "server/members.h"
#include "server/state_machine.h"
#include "server/validate.h"

namespace mesh::server {

IdentityService::Issue::Issue(IdentityService& service, Wanted wanted, net::RpcReply reply)
    : service_(service), wanted_(std::move(wanted)), reply_(std::move(reply)) {}

void IdentityService::Issue::start(Bytes csr) {
  service_.parts_.ca.read_csr(std::move(csr), [this](Result<net::CsrInfo> request) {
    on_request(std::move(request));
  });
}

void IdentityService::Issue::on_request(Result<net::CsrInfo> request) {
  if (!request.ok()) return finish(std::move(request).error());
  Result<model::Command> command = make_command(*request);
  if (!command.ok()) return refuse(std::move(command).error());
  order_->request = std::move(*request);
  service_.parts_.propose(std::move(*command), [this](Result<Bytes> result) { on_recorded(result); });
}

// What records the certificate. The state may have changed while the CSR was read, so everything is asked anew.
Result<model::Command> IdentityService::Issue::make_command(const net::CsrInfo& request) {
  MESH_TRY_STATUS(service_.check_serving());
  MESH_TRY_STATUS(service_.check_can_sign());
  const State& state = service_.state();
  const model::CaRoot& root = *active_root(state.catalog().roots());
  Ca::Order& order = order_.emplace();
  order.root = root;
  order.sealed_key = *state.sealed_key(root.id);
  order.plan = plan_leaf(*state.catalog().cluster(), root, wanted_.subject, net::random_bytes(kSerialBytes), wall_now());
  order.with_root = wanted_.subject.service.empty() && wanted_.subject.kind == model::JoinKind::Server;
  model::Command command;
  if (wanted_.token_id.empty()) {
    model::LeafIssuedCommand body;
    body.leaf = order.plan.row;
    body.key_hash = request.key_hash;
    body.node_name = wanted_.node_name;
    MESH_TRY_STATUS(check_leaf(state, body));
    command = model::make_command(std::move(body));
  } else {
    model::AdmitCommand body;
    body.token_id = wanted_.token_id;
    body.secret_hash = wanted_.secret_hash;
    body.member.node_id = wanted_.subject.node_id;
    body.member.kind = wanted_.subject.kind;
    body.member.name = wanted_.node_name;
    body.member.key_hash = request.key_hash;
    body.leaf = order.plan.row;
    body.server_address = wanted_.server_address;
    MESH_TRY_STATUS(check_admit(state, body, std::max(state.time(), wall_now())));
    command = model::make_command(std::move(body));
  }
  MESH_TRY_STATUS(validate(command));
  return command;
}

void IdentityService::Issue::on_recorded(const Result<Bytes>& result) {
  const Status recorded = status_of(result);
  if (!recorded.ok()) return refuse(recorded.error());
  service_.parts_.ca.sign(std::move(*order_), [this](Result<std::string> chain) { on_signed(std::move(chain)); });
}

void IdentityService::Issue::on_signed(Result<std::string> chain) {
  if (!chain.ok()) {
    LOG_ERROR("a certificate was not signed", {"node", wanted_.subject.node_id.text()}, {"why", chain.error()});
    return finish(std::move(chain).error());
  }
  const std::string who = wanted_.subject.service.empty() ? "the node" : wanted_.subject.service;
  LOG_INFO("certificate signed", {"node", wanted_.subject.node_id.text()}, {"for", who});
  finish(answer(std::move(*chain)));
}

Result<Bytes> IdentityService::Issue::answer(std::string chain) const {
  const State& state = service_.state();
  ListOf<model::CaRoot> roots;
  for (const model::CaRoot* root : state.catalog().roots()) roots.push_back(*root);
  if (!wanted_.join) {
    model::SignResponse response;
    response.certificate = std::move(chain);
    response.roots = std::move(roots);
    response.servers = service_.parts_.servers();
    return encode(response);
  }
  model::JoinResponse response;
  response.cluster = *state.catalog().cluster();
  response.certificate = std::move(chain);
  response.roots = std::move(roots);
  response.servers = service_.parts_.servers();
  if (const model::Member* member = state.member(wanted_.subject.node_id)) response.services = member->services;
  if (const model::Server* server = state.catalog().server_on(wanted_.subject.node_id)) response.server_id = server->server_id;
  MESH_TRY_STATUS(add_secrets(response));
  return encode(response);
}

// Not at a renewal: an old CSR, which anyone may have kept, would be enough for that.
Status IdentityService::Issue::add_secrets(model::JoinResponse& response) const {
  if (wanted_.token_id.empty()) return {};
  const Ca& ca = service_.parts_.ca;
  if (wanted_.subject.kind == model::JoinKind::Server) response.ca_key = ca.key_text();
  const model::SealedKey* sealed = service_.state().sealed_key(model::kGossipKeyId);
  if (sealed == nullptr) return error(Code::Precondition, "this cluster has no gossip key");
  MESH_TRY(key, ca.open(*sealed).context("while opening the gossip key"));
  response.gossip_key = std::move(key);
  return {};
}

// What a stranger may have guessed at comes late.
void IdentityService::Issue::refuse(Error why) {
  if (!wanted_.join || why.code != Code::Denied) return finish(std::move(why));
  LOG_WARN("a host was refused", {"node", wanted_.node_name}, {"id", wanted_.subject.node_id.text()}, {"why", why});
  service_.refuse_late(std::move(reply_), "join", std::move(why));
  service_.remove(*this);
}

void IdentityService::Issue::finish(Result<Bytes> result) {
  service_.answer(std::move(reply_), wanted_.join, std::move(result));
  service_.remove(*this);
}

}  // namespace mesh::server
