// Inside of rpc_http2.h: what all four ends (a call's and a stream's, at the client and at the server) share: the peer's
// half of an HTTP/2 stream as gRPC messages, held while its reader is not ready. For the .cc files of net/.
#pragma once

#include <memory>

#include "net/http2/session.h"
#include "net/rpc_grpc.h"

namespace mesh::net {

// Bytes of half-received messages of one connection, over its streams.
using UnfinishedTotal = std::shared_ptr<std::size_t>;

class RpcHalf : public Http2StreamObserver {
 public:
  RpcHalf(std::size_t message_bytes_max, UnfinishedTotal total) : reader_(message_bytes_max), total_(std::move(total)) {}
  ~RpcHalf() override;
  RpcHalf(const RpcHalf&) = delete;
  RpcHalf& operator=(const RpcHalf&) = delete;

  void on_data(ByteView data) final;
  void on_end() final;

 protected:
  // While false, nothing is delivered and the peer's window fills.
  [[nodiscard]] virtual bool ready() const { return true; }
  // Each may destroy this.
  virtual void on_message(ByteView message) = 0;
  virtual void on_broken(Error why) = 0;  // not messages; nothing follows
  virtual void on_complete() = 0;         // the peer's half has ended and all of it was delivered

  // ready() may have become true: delivers what is held. Not from inside a user's call.
  void pump();
  [[nodiscard]] bool complete() const { return ended_ && backlog_.empty(); }
  // No more of the peer's half is wanted.
  void stop_reading();
  [[nodiscard]] GrpcReader& reader() { return reader_; }
  // True inside once this is destroyed.
  [[nodiscard]] std::shared_ptr<bool> gone() const { return gone_; }

  std::unique_ptr<Http2Stream> stream_;

 private:
  std::size_t deliver(ByteView data);
  std::size_t count_unfinished();
  void maybe_complete();

  GrpcReader reader_;
  UnfinishedTotal total_;
  std::size_t counted_ = 0;  // of total_
  Bytes backlog_;            // not consumed
  bool ended_ = false;
  bool stopped_ = false;
  bool completed_ = false;
  std::shared_ptr<bool> gone_ = std::make_shared<bool>(false);
};

}  // namespace mesh::net
