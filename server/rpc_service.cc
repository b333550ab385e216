#include "server/rpc_service.h"

#include <algorithm>
#include <utility>

#include "base/clock.h"
#include "model/protocol.h"
#include "server/validate.h"

namespace mesh::server {

namespace {

// The one answer of a forwarded call, which goes back the way it came.
class ForwardedReply final : public net::RpcReplySink {
 public:
  explicit ForwardedReply(net::RpcReply reply) : reply_(std::move(reply)) {}
  void finish(Result<Bytes> result) override { reply_.finish(std::move(result)); }
  void set_on_cancelled(UniqueFunction<void()> on_cancelled) override { reply_.on_cancelled(std::move(on_cancelled)); }

 private:
  net::RpcReply reply_;
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
                            [this] { return parts_.host.leader_contact(); }, options_.on_stream_end}),
      kv_reads_(
          parts.loop, [this]() -> const State& { return parts_.machine.state(); },
          [this](model::KvReadResponse& response) {
            response.known_leader = parts_.host.core().leader() != raft::kNoServer;
            response.last_contact = parts_.host.leader_contact();
          }),
      identity_({parts_.loop, parts_.ca, [this]() -> const State& { return parts_.machine.state(); },
                 [this] { return parts_.host.is_leader(); },
                 [this](model::Command command, RaftHost::OnResult on_result) {
                   propose(std::move(command), std::move(on_result));
                 },
                 [this] { return server_addresses(); }, options_.refusal_delay}) {
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
  unary(model::kApplyPath, &RpcService::apply);
  unary(model::kBarrierPath, &RpcService::barrier);
  unary(model::kKvReadPath, &RpcService::kv_read);
  unary(model::kStatusPath, &RpcService::status);
  unary(model::kForwardPath, &RpcService::forward);
  identity_.serve(server);
  server_ = &server;
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
  // An agent waits for the index of its write; one that changed nothing brings no delta.
  const bool watched = message->command.kind != model::CommandKind::Kv;
  propose(std::move(message->command),
          [this, watched, reply = std::move(reply)](Result<Bytes> result) mutable {
            reply.finish(std::move(result));
            if (watched) watches_.announce(parts_.machine.state().catalog().index());
          });
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
  const Status allowed = allow(request, {}, Wish::ReadCatalog);
  if (!allowed.ok()) return reply.finish(allowed.error());
  parts_.host.read(message->mode, [this, reply = std::move(reply)](Result<raft::Index> index) mutable {
    if (!index.ok()) return reply.finish(std::move(index).error());
    model::BarrierResponse response;
    response.index =
        watches_.changed_at();  // at most *index: what lies between changed nothing that agents hold
    reply.finish(encode(response));
  });
}

void RpcService::kv_read(net::RpcRequest request, net::RpcReply reply) {
  Result<model::KvReadRequest> message = read_request<model::KvReadRequest>(request);
  if (!message.ok()) return reply.finish(std::move(message).error());
  const Status allowed = allow(request, message->token, Wish::ReadKv);
  if (!allowed.ok()) return reply.finish(allowed.error());
  const model::ReadMode mode = message->mode;
  parts_.host.read(
      mode, [this, asked = std::move(*message), reply = std::move(reply)](Result<raft::Index> index) mutable {
        if (!index.ok()) return reply.finish(std::move(index).error());
        kv_reads_.read(std::move(asked), std::move(reply));
      });
}

void RpcService::status(net::RpcRequest request, net::RpcReply reply) {
  const Result<model::StatusRequest> message = read_request<model::StatusRequest>(request);
  if (!message.ok()) return reply.finish(message.error());
  const Status allowed = allow(request, {}, Wish::ReadCatalog);
  if (!allowed.ok()) return reply.finish(allowed.error());
  const raft::Core& core = parts_.host.core();
  model::StatusResponse response;
  if (core.leader() == core.self()) response.leader = options_.rpc_address;
  response.peers = server_addresses();
  if (const model::Cluster* cluster = parts_.machine.state().catalog().cluster())
    response.cluster_id = cluster->id;
  response.term = core.term().value();
  response.commit_index = core.commit().value();
  response.applied_index = core.applied().value();
  reply.finish(encode(response));
}

void RpcService::watch(net::RpcRequest request, std::unique_ptr<net::RpcServerStream> stream) {
  Result<model::WatchRequest> message = read_request<model::WatchRequest>(request);
  if (!message.ok()) return stream->end(message.error());
  const Status allowed = allow(request, {}, Wish::ReadCatalog);
  if (!allowed.ok()) return stream->end(allowed.error());
  if (!request.peer.id.empty()) message->node_id = request.peer.id;  // proven, not claimed
  watches_.subscribe(*message, std::move(stream));
}

std::vector<std::string> RpcService::server_addresses() const {
  const raft::Core& core = parts_.host.core();
  if (!core.configuration().is_voter(core.self())) return {};
  return {options_.rpc_address};
}

// --- for others

void RpcService::forward(net::RpcRequest request, net::RpcReply reply) {
  Result<model::ForwardRequest> message = read_request<model::ForwardRequest>(request);
  if (!message.ok()) return reply.finish(std::move(message).error());
  const Status allowed = allow(request, {}, Wish::Forward);
  if (!allowed.ok()) return reply.finish(allowed.error());
  if (message->path == model::kForwardPath) return reply.finish(error(Code::Invalid, "a call is forwarded once"));
  server_->dispatch(message->path, {caller_in(*message), std::move(message->body), request.deadline},
                    std::make_unique<ForwardedReply>(std::move(reply)));
}

// --- state

void RpcService::on_changes(const model::ChangeSet& changes, const State& state) {
  watches_.on_changes(changes, state.catalog());
  kv_reads_.on_changes(changes);
  drop_removed_members(changes, state);
  if (options_.on_changes) options_.on_changes(changes);
}

void RpcService::drop_removed_members(const model::ChangeSet& changes, const State& state) {
  for (const model::RowChange& row : changes.rows) {
    if (row.table_id != model::kTableMembers) continue;
    const model::Member* member = state.member(row.key);
    if (member != nullptr && member->revoked_at) watches_.drop(row.key);
  }
}

void RpcService::on_loaded(const State& state) {
  watches_.on_loaded(state.catalog());
  kv_reads_.on_loaded();
}

}  // namespace mesh::server
