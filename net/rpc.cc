#include "net/rpc.h"

namespace mesh::net {

RpcReply::~RpcReply() {
  if (sink_ != nullptr) finish(error(Code::Unavailable, "the server gave no answer"));
}

void RpcReply::finish(Result<Bytes> result) {
  CHECK(sink_ != nullptr, "an RPC is answered twice");
  const auto sink = std::move(sink_);
  if (result.ok() && result->size() > kRpcMessageBytesMax)
    return sink->finish(error(Code::Overloaded, "the answer has {} bytes, the limit is {}", result->size(),
                              kRpcMessageBytesMax));
  sink->finish(std::move(result));
}

void RpcReply::on_cancelled(UniqueFunction<void()> fn) {
  if (sink_ != nullptr) sink_->set_on_cancelled(std::move(fn));
}

RpcServerStream::~RpcServerStream() {
  if (!ended_) sink_->end(error(Code::Unavailable, "the server dropped the stream"));
}

void RpcServerStream::end(Status status) {
  if (std::exchange(ended_, true)) return;
  sink_->end(std::move(status));
}

void RpcServer::handle(RpcMethod method, UnaryHandler handler) {
  const bool added = unary_.emplace(std::string(method.path), std::move(handler)).second;
  CHECK(added, "{} has two handlers", method.path);
}

void RpcServer::handle_stream(RpcMethod method, StreamHandler handler) {
  const bool added = streams_.emplace(std::string(method.path), std::move(handler)).second;
  CHECK(added, "{} has two handlers", method.path);
}

RpcServer::Shape RpcServer::shape(std::string_view path) const {
  if (unary_.contains(path)) return Shape::Unary;
  return streams_.contains(path) ? Shape::Stream : Shape::None;
}

void RpcServer::dispatch(std::string_view path, RpcRequest request, std::unique_ptr<RpcReplySink> sink) {
  const auto found = unary_.find(path);
  if (found == unary_.end()) return sink->finish(error(Code::Unsupported, "this server has no method {}", path));
  found->second(std::move(request), RpcReply(std::move(sink)));
}

void RpcServer::dispatch_stream(std::string_view path, RpcRequest request, std::unique_ptr<RpcStreamSink> sink) {
  const auto found = streams_.find(path);
  if (found == streams_.end()) return sink->end(error(Code::Unsupported, "this server has no stream {}", path));
  found->second(std::move(request), std::make_unique<RpcServerStream>(std::move(sink)));
}

}  // namespace mesh::net
