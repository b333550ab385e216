#include "server/rpc_service.h"

#include <algorithm>
#include <utility>

#include "base/clock.h"
#include "model/protocol.h"
#include "server/validate.h"

namespace mesh::server {

namespace {

Status admit(const net::RpcPeer& peer) {
  if (peer.kind != net::RpcPeer::Kind::Joining) return {};
  return error(Code::Denied, "a host that has not joined may only join");
}

template <class M>
Result<M> read_request(const net::RpcRequest& request) {
  MESH_TRY_STATUS(admit(request.peer));
  Result<M> message = decode<M>(request.body, {.size_max = net::kRpcMessageBytesMax});
  if (!message.ok()) return error(Code::Invalid, "a bad request: {}", message.error().message);
  return message;
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
                            [this] { return parts_.host.leader_contact(); }}),
      kv_reads_(
          parts.loop, [this]() -> const State& { return parts_.machine.state(); },
          [this](model::KvReadResponse& response) {
            response.known_leader = parts_.host.core().leader() != raft::kNoServer;
            response.last_contact = parts_.host.leader_contact();
          }) {
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
  server.handle_stream({model::kWatchPath},
                       [this](net::RpcRequest request, std::unique_ptr<net::RpcServerStream> stream) {
                         watch(std::move(request), std::move(stream));
                       });
}

// --- writes
// ---------------------------------------------------------------------------------------------------------

void RpcService::apply(net::RpcRequest request, net::RpcReply reply) {
  Result<model::ApplyRequest> message = read_request<model::ApplyRequest>(request);
  if (!message.ok()) return reply.finish(std::move(message).error());
  const Status valid = validate(message->command);
  if (!valid.ok()) return reply.finish(valid.error());
  if (message->command.kind == model::CommandKind::Init && request.peer.kind != net::RpcPeer::Kind::Local) {
    return reply.finish(error(Code::Denied, "a cluster is initialised on the server itself"));
  }
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
// ----------------------------------------------------------------------------------------------------------

void RpcService::barrier(net::RpcRequest request, net::RpcReply reply) {
  Result<model::BarrierRequest> message = read_request<model::BarrierRequest>(request);
  if (!message.ok()) return reply.finish(std::move(message).error());
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
  const raft::Core& core = parts_.host.core();
  model::StatusResponse response;
  if (core.leader() == core.self()) response.leader = options_.rpc_address;
  if (core.configuration().is_voter(core.self())) response.peers.push_back(options_.rpc_address);
  if (const model::Cluster* cluster = parts_.machine.state().catalog().cluster())
    response.cluster_id = cluster->id;
  response.term = core.term().value();
  response.commit_index = core.commit().value();
  response.applied_index = core.applied().value();
  reply.finish(encode(response));
}

void RpcService::watch(net::RpcRequest request, std::unique_ptr<net::RpcServerStream> stream) {
  const Result<model::WatchRequest> message = read_request<model::WatchRequest>(request);
  if (!message.ok()) return stream->end(message.error());
  watches_.subscribe(*message, std::move(stream));
}

// --- state
// ----------------------------------------------------------------------------------------------------------

void RpcService::on_changes(const model::ChangeSet& changes, const State& state) {
  watches_.on_changes(changes, state.catalog());
  kv_reads_.on_changes(changes);
}

void RpcService::on_loaded(const State& state) {
  watches_.on_loaded(state.catalog());
  kv_reads_.on_loaded();
}

}  // namespace mesh::server
