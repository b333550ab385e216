#include "server/rpc_service.h"

#include <algorithm>
#include <utility>

#include "base/clock.h"
#include "model/protocol.h"
#include "server/members.h"
#include "server/server_status.h"
#include "server/validate.h"

namespace mesh::server {

namespace {

constexpr Duration kAnswerTime = milliseconds(100);  // for an answer to come before its deadline

// The state machine applies it once, however often it comes.
bool has_request_id(const Bytes& request) {
  const Result<model::ApplyRequest> message = decode<model::ApplyRequest>(request, {.size_max = net::kRpcMessageBytesMax});
  return message.ok() && !message->command.request_id.empty();
}

// A watch stream that waits for permission; its client may leave meanwhile.
struct WaitingWatch final : net::RpcServerStreamObserver {
  explicit WaitingWatch(std::unique_ptr<net::RpcServerStream> of) : stream(std::move(of)) { stream->set_observer(this); }
  void on_writable() override {}
  void on_closed() override { closed = true; }
  std::unique_ptr<net::RpcServerStream> stream;
  bool closed = false;
};

net::RpcPeer caller_in(const model::ForwardRequest& request) {
  using Kind = net::RpcPeer::Kind;
  switch (request.caller_kind) {
    case model::ForwardKind::Local:
      return {Kind::Local, ""};
    case model::ForwardKind::Agent:
      return {Kind::Agent, request.caller_id};
    case model::ForwardKind::Server:
      return {Kind::Server, request.caller_id};
    case model::ForwardKind::Joining:
      break;
  }
  return {Kind::Joining, ""};
}

}  // namespace

RpcService::RpcService(Parts parts, Options options)
    : parts_(parts),
      options_(std::move(options)),
      rng_(options_.seed),
      watches_(parts.loop, {[this] {
                              return std::max(parts_.host.core().applied().value(),
                                              parts_.machine.state().catalog().index());
                            },
                            [this] { return parts_.host.leader_contact(); }, options_.on_stream_end}, options_.metrics),
      kv_reads_(
          parts.loop, [this]() -> const State& { return parts_.machine.state(); },
          [this](model::KvReadResponse& response) {
            response.known_leader = parts_.host.core().leader() != raft::kNoServer;
            response.last_contact = parts_.host.leader_contact();
          }),
      identity_({parts_.loop, parts_.ca, [this]() -> const State& { return parts_.machine.state(); },
                 [this] { return parts_.host.serves(); },
                 [this](model::Command command, RaftHost::OnResult on_result) {
                   propose(std::move(command), std::move(on_result));
                 },
                 [this] { return server_addresses(parts_.machine.state()); }, options_.refusal_delay, options_.metrics}),
      calls_({parts_.loop, parts_.host, parts_.transport, options_.metrics, options_.hold_max}),
      duty_({parts_.loop, parts_.host, [this]() -> const State& { return parts_.machine.state(); }, options_.metrics}) {
  on_loaded(parts_.machine.state());
  parts_.machine.set_observer(this);
}

RpcService::~RpcService() { parts_.machine.set_observer(nullptr); }

void RpcService::serve(net::RpcServer& server) {
  const auto unary = [&](std::string_view path, void (RpcService::*handler)(net::RpcRequest, net::RpcReply)) {
    server.handle({path}, [this, handler](net::RpcRequest request, net::RpcReply reply) {
      (this->*handler)(std::move(request), std::move(reply));
    });
  };
  calls_.handle(
      server, model::kApplyPath,
      [this](net::RpcRequest request, net::RpcReply reply) { apply(std::move(request), std::move(reply)); }, has_request_id);
  calls_.handle(
      server, model::kLeaderStatusPath,
      [this](net::RpcRequest request, net::RpcReply reply) { status(std::move(request), std::move(reply)); },
      [](const Bytes&) { return true; });
  unary(model::kBarrierPath, &RpcService::barrier);
  unary(model::kKvReadPath, &RpcService::kv_read);
  unary(model::kStatusPath, &RpcService::status);
  unary(model::kForwardPath, &RpcService::forward);
  identity_.serve(server, calls_);
  parts_.transport.serve(server);
  server.handle_stream({model::kWatchPath},
                       [this](net::RpcRequest request, std::unique_ptr<net::RpcServerStream> stream) {
                         watch(std::move(request), std::move(stream));
                       });
}

// --- who may

template <class M>
Result<M> RpcService::read_request(const net::RpcRequest& request) const {
  // Before anything is decoded: who has not joined costs nothing here.
  if (request.peer.kind == net::RpcPeer::Kind::Joining) {
    return error(Code::Denied, "a host that has not joined may only join");
  }
  Result<M> message = decode<M>(request.body, {.size_max = net::kRpcMessageBytesMax});
  if (!message.ok()) return error(Code::Invalid, "a bad request: {}", message.error().message);
  return message;
}

Status RpcService::allow(const net::RpcRequest& request, std::string_view token, Wish wish) const {
  const State& state = parts_.machine.state();
  MESH_TRY(caller, caller_of(state, request.peer, token));
  return authorize(caller, state.catalog(), wish);
}

void RpcService::allow_fresh(const net::RpcRequest& request, const std::string& token, Wish wish, UniqueFunction<void(Status)> then) {
  const Status allowed = allow(request, token, wish);
  if (allowed.ok() || parts_.host.serves()) return then(allowed);
  calls_.read(model::ReadMode::Default, request.deadline,
              [this, caller = net::RpcRequest{request.peer, {}, request.deadline}, token, wish, allowed, then = std::move(then)](
                  const Result<raft::Index>& index) mutable { then(index.ok() ? allow(caller, token, wish) : allowed); });
}

Status RpcService::allow_write(const net::RpcRequest& request, const model::ApplyRequest& message) const {
  MESH_TRY_STATUS(validate(message.command));
  const State& state = parts_.machine.state();
  MESH_TRY(caller, caller_of(state, request.peer, message.token));
  return authorize(caller, state.catalog(), message.command);
}

// --- writes

void RpcService::apply(net::RpcRequest request, net::RpcReply reply) {
  Result<model::ApplyRequest> message = read_request<model::ApplyRequest>(request);
  if (!message.ok()) return reply.finish(std::move(message).error());
  const Status allowed = allow_write(request, *message);
  if (!allowed.ok()) return reply.finish(allowed.error());
  if (message->command.kind == model::CommandKind::MemberRevoke) {
    return revoke(std::move(message->command), request.deadline, std::move(reply));
  }
  // An agent waits for the index of its write; one that changed nothing brings no delta.
  const bool watched = message->command.kind != model::CommandKind::Kv;
  propose(std::move(message->command),
          [this, watched, reply = std::move(reply)](Result<Bytes> result) mutable {
            reply.finish(std::move(result));
            if (watched) watches_.announce(parts_.machine.state().catalog().index());
          });
}

// A leader that is to go hands over first: the call is repeated at the next one.
void RpcService::revoke(model::Command command, MonoTime deadline, net::RpcReply reply) {
  const State& state = parts_.machine.state();
  const model::NodeId node = command.member_revoke->node_id;
  const model::Server* server = state.catalog().server_on(node);
  if (server == nullptr) return end_membership(std::move(command), nullptr, std::move(reply));  // of an agent, or again
  if (const Status last = check_not_last_server(state, node); !last.ok()) return reply.finish(last.error());
  const raft::ServerId id(server->server_id);
  if (const Status possible = duty_.check_removal(id); !possible.ok()) return reply.finish(possible.error());
  if (id == parts_.host.core().self()) {
    return parts_.host.hand_over([reply = std::move(reply)](const Status& status) mutable {
      reply.finish(error(Code::Unavailable, "this server leads and hands over before it leaves{}{}", status.ok() ? "" : ": ",
                         status.ok() ? "" : status.error().message));
    });
  }
  duty_.take_out(id, deadline - kAnswerTime,
                 [this, command = std::move(command), reply = std::move(reply)](Result<MembershipDuty::Leaving> out) mutable {
                   if (!out.ok()) return reply.finish(std::move(out).error());
                   end_membership(std::move(command), std::move(*out), std::move(reply));
                 });
}

// `leaving` lives until the row has gone, or it is certain that it has not.
void RpcService::end_membership(model::Command command, MembershipDuty::Leaving leaving, net::RpcReply reply) {
  propose(std::move(command), [this, leaving = std::move(leaving), reply = std::move(reply)](Result<Bytes> result) mutable {
    reply.finish(std::move(result));
    watches_.announce(parts_.machine.state().catalog().index());
  });
}

void RpcService::on_role() {
  calls_.on_role();
  if (options_.keeps_membership) duty_.on_role();
}

void RpcService::propose(model::Command command, RaftHost::OnResult on_result) {
  command.time = wall_now();
  command.random.clear();
  while (command.random.size() < model::kCommandRandomBytes) append_be64(command.random, rng_.next());
  parts_.host.propose(model::encode_command(command), std::move(on_result));
}

// --- reads

void RpcService::barrier(net::RpcRequest request, net::RpcReply reply) {
  Result<model::BarrierRequest> message = read_request<model::BarrierRequest>(request);
  if (!message.ok()) return reply.finish(std::move(message).error());
  allow_fresh(request, {}, Wish::ReadCatalog,
              [this, mode = message->mode, deadline = request.deadline, reply = std::move(reply)](const Status& allowed) mutable {
                if (!allowed.ok()) return reply.finish(allowed.error());
                calls_.read(mode, deadline, [this, reply = std::move(reply)](Result<raft::Index> index) mutable {
                  if (!index.ok()) return reply.finish(std::move(index).error());
                  model::BarrierResponse response;
                  response.index =
                      watches_.changed_at();  // at most *index: what lies between changed nothing that agents hold
                  reply.finish(encode(response));
                });
              });
}

void RpcService::kv_read(net::RpcRequest request, net::RpcReply reply) {
  Result<model::KvReadRequest> message = read_request<model::KvReadRequest>(request);
  if (!message.ok()) return reply.finish(std::move(message).error());
  const std::string token = message->token;
  allow_fresh(request, token, Wish::ReadKv,
              [this, asked = std::move(*message), deadline = request.deadline, reply = std::move(reply)](const Status& allowed) mutable {
                if (!allowed.ok()) return reply.finish(allowed.error());
                const model::ReadMode mode = asked.mode;
                calls_.read(mode, deadline,
                            [this, asked = std::move(asked), reply = std::move(reply)](Result<raft::Index> index) mutable {
                              if (!index.ok()) return reply.finish(std::move(index).error());
                              kv_reads_.read(std::move(asked), std::move(reply));
                            });
              });
}

void RpcService::status(net::RpcRequest request, net::RpcReply reply) {
  const Result<model::StatusRequest> message = read_request<model::StatusRequest>(request);
  if (!message.ok()) return reply.finish(message.error());
  const Status allowed = allow(request, {}, Wish::ReadCatalog);
  if (!allowed.ok()) return reply.finish(allowed.error());
  const raft::Core& core = parts_.host.core();
  model::StatusResponse response;
  const State& state = parts_.machine.state();
  response.leader = server_address(state, core.leader());
  if (response.leader.empty()) response.leader = parts_.transport.address_of(core.leader());  // not told yet, or no rows yet
  response.peers = voter_addresses(state, core.configuration());
  response.servers = server_statuses(state, core, parts_.loop.now());
  if (const model::Cluster* cluster = parts_.machine.state().catalog().cluster())
    response.cluster_id = cluster->id;
  response.term = core.term().value();
  response.commit_index = core.commit().value();
  response.applied_index = core.applied().value();
  response.state_hash = fmt::format("{:016x}", parts_.machine.state().hash());
  response.time = wall_now();
  reply.finish(encode(response));
}

void RpcService::watch(net::RpcRequest request, std::unique_ptr<net::RpcServerStream> stream) {
  Result<model::WatchRequest> message = read_request<model::WatchRequest>(request);
  if (!message.ok()) return stream->end(message.error());
  if (!request.peer.id.empty()) message->node_id = request.peer.id;  // proven, not claimed
  allow_fresh(request, {}, Wish::ReadCatalog,
              [this, asked = std::move(*message), waiting = std::make_unique<WaitingWatch>(std::move(stream))](const Status& allowed) mutable {
                waiting->stream->set_observer(nullptr);
                if (waiting->closed) return;
                if (!allowed.ok()) return waiting->stream->end(allowed.error());
                watches_.subscribe(asked, std::move(waiting->stream));
              });
}

// --- for others

void RpcService::forward(net::RpcRequest request, net::RpcReply reply) {
  Result<model::ForwardRequest> message = read_request<model::ForwardRequest>(request);
  if (!message.ok()) return reply.finish(std::move(message).error());
  const Status allowed = allow(request, {}, Wish::Forward);
  if (!allowed.ok()) return reply.finish(allowed.error());
  if (message->path == model::kForwardPath) return reply.finish(error(Code::Invalid, "a call is forwarded once"));
  calls_.answer_forwarded(message->path, {caller_in(*message), std::move(message->body), request.deadline}, std::move(reply));
}

// --- state

void RpcService::on_changes(const model::ChangeSet& changes, const State& state) {
  watches_.on_changes(changes, state.catalog());
  kv_reads_.on_changes(changes);
  drop_removed_members(changes, state);
  const bool moved = std::any_of(changes.rows.begin(), changes.rows.end(),
                                 [](const model::RowChange& row) { return row.table_id == model::kTableServers; });
  if (moved) tell_peers(state);
  if (options_.on_changes) options_.on_changes(changes);
}

void RpcService::tell_peers(const State& state) {
  std::vector<RaftPeer> peers;
  for (const model::Server* server : state.catalog().servers()) {
    RaftPeer peer{raft::ServerId(server->server_id), server->node_id.text(), {}};
    const Result<net::Address> address = net::Address::parse(server->address);
    if (address.ok()) peer.address = *address;
    peers.push_back(std::move(peer));
  }
  parts_.transport.set_peers(peers);
}

void RpcService::drop_removed_members(const model::ChangeSet& changes, const State& state) {
  for (const model::RowChange& row : changes.rows) {
    if (row.table_id != model::kTableMembers) continue;
    const model::Member* member = state.member(row.key);
    if (member == nullptr || !member->revoked_at) continue;
    watches_.drop(row.key);
    parts_.transport.drop(row.key);
  }
}

void RpcService::on_loaded(const State& state) {
  watches_.on_loaded(state.catalog());  // all watch streams end and are decided anew
  kv_reads_.on_loaded();
  tell_peers(state);
  state.members().each({}, [this](const Bytes& node_id, const model::Member& member) {
    if (member.revoked_at) parts_.transport.drop(node_id);
  });
}

}  // namespace mesh::server
