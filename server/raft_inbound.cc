#include "server/raft_inbound.h"

#include <algorithm>
#include <utility>

#include "base/log.h"

namespace mesh::server {

class RaftInbound::Stream final : public net::RpcServerStreamObserver {
 public:
  Stream(RaftInbound& owner, RaftOpening opening, std::string node_id, std::unique_ptr<net::RpcServerStream> stream)
      : owner_(owner), opening_(std::move(opening)), node_id_(std::move(node_id)), stream_(std::move(stream)) {
    stream_->set_observer(this);
  }

  void on_message(ByteView bytes) override { owner_.take(*this, bytes); }
  void on_end() override { owner_.remove(*this, {}); }
  void on_writable() override {}
  void on_closed() override { owner_.remove(*this, {}); }

  void end(Status why) {
    stream_->set_observer(nullptr);
    stream_->end(std::move(why));
  }
  [[nodiscard]] const RaftOpening& opening() const { return opening_; }
  [[nodiscard]] const std::string& node_id() const { return node_id_; }

 private:
  RaftInbound& owner_;
  RaftOpening opening_;
  std::string node_id_;
  std::unique_ptr<net::RpcServerStream> stream_;
};

RaftInbound::RaftInbound(net::Loop& loop, std::string cluster_id, raft::ServerId self, const RaftMetrics& metrics,
                         Observer& observer)
    : loop_(loop), cluster_id_(std::move(cluster_id)), self_(self), metrics_(metrics), observer_(observer) {}

RaftInbound::~RaftInbound() = default;

void RaftInbound::accept(net::RpcRequest request, std::unique_ptr<net::RpcServerStream> stream) {
  Result<RaftOpening> opening = check(request);
  if (!opening.ok()) {
    metrics_.refused.with({"opening"}).add();
    LOG_INFO("a Raft stream was refused", {"node", request.peer.id}, {"why", opening.error().message});
    return stream->end(opening.error());
  }
  const auto older = std::find_if(streams_.begin(), streams_.end(), [&](const auto& each) {
    return each->opening().from == opening->from && each->opening().lane == opening->lane;
  });
  if (older == streams_.end() && streams_.size() >= kInboundStreamsMax) {
    tell_if_gone(opening->from);
    return stream->end(error(Code::Overloaded, "more than {} Raft streams", kInboundStreamsMax));
  }
  streams_.push_back(std::make_unique<Stream>(*this, std::move(*opening), request.peer.id, std::move(stream)));
  if (older != streams_.end()) remove(**older, error(Code::Cancelled, "a newer stream took its place"));
}

Result<RaftOpening> RaftInbound::check(const net::RpcRequest& request) {
  if (request.peer.kind != net::RpcPeer::Kind::Server) return error(Code::Denied, "only servers speak Raft");
  MESH_TRY(opening, read_opening(request.body));
  if (opening.cluster_id != cluster_id_) return error(Code::Precondition, "this is another cluster: {}", cluster_id_);
  if (opening.to != self_) {
    return error(Code::Precondition, "this is server {}, not {}", self_.value(), opening.to.value());
  }
  MESH_TRY_STATUS(observer_.admit(opening, request.peer.id));
  return opening;
}

void RaftInbound::take(const Stream& from, ByteView bytes) {
  Result<raft::Message> message = raft::decode_message(bytes);
  if (!message.ok()) {
    metrics_.refused.with({"undecodable"}).add();
    LOG_WARN("a Raft message was dropped", {"server", from.opening().from}, {"why", message.error().message});
    // What a later release says may be skipped; bytes that make no sense end the stream.
    if (message.error().code != Code::Unsupported) remove(from, message.error());
    return;
  }
  if (message->from != from.opening().from || message->to != self_) {
    return metrics_.refused.with({"wrong_sender"}).add();
  }
  metrics_.received[index_of(from.opening().lane)].add();
  observer_.receive(std::move(*message));
}

void RaftInbound::drop(std::string_view node_id) {
  for (auto next = streams_.begin(); next != streams_.end();) {
    const Stream& stream = **next++;
    if (stream.node_id() == node_id) remove(stream, error(Code::Denied, "this node was removed from the cluster"));
  }
}

void RaftInbound::remove(const Stream& stream, Status why) {
  const auto place = std::find_if(streams_.begin(), streams_.end(), [&](const auto& each) { return each.get() == &stream; });
  if (place == streams_.end()) return;
  (*place)->end(std::move(why));
  const raft::ServerId from = (*place)->opening().from;
  loop_.destroy_later(std::move(*place));
  streams_.erase(place);
  tell_if_gone(from);
}

void RaftInbound::tell_if_gone(raft::ServerId server) {
  const bool left = std::any_of(streams_.begin(), streams_.end(), [&](const auto& each) { return each->opening().from == server; });
  if (!left) observer_.gone(server);
}

}  // namespace mesh::server
