// A channel whose server is the test: calls and streams are recorded and answered when the test says so.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/message.h"
#include "net/loop.h"
#include "net/rpc.h"

namespace mesh::agent {

class FakeChannel final : public net::RpcChannel {
 public:
  struct Call {
    std::string path;
    Bytes request;
    OnReply on_reply;
    bool cancelled = false;
  };
  struct Stream {
    std::string path;
    Bytes request;
    net::RpcStreamObserver* observer = nullptr;
    bool cancelled = false;
  };

  // The calls to one method that were made so far.
  [[nodiscard]] std::vector<std::shared_ptr<Call>> calls(std::string_view path) const {
    std::vector<std::shared_ptr<Call>> out;
    for (const auto& call : calls_)
      if (call->path == path) out.push_back(call);
    return out;
  }
  [[nodiscard]] const std::vector<std::shared_ptr<Stream>>& streams() const { return streams_; }

  // Not from inside the call that asks.
  static void answer(Call& call, Result<Bytes> reply) {
    if (!call.cancelled && call.on_reply) std::exchange(call.on_reply, {})(std::move(reply));
  }
  template <Message M>
  static void send(Stream& stream, const M& message) {
    if (!stream.cancelled) stream.observer->on_message(encode(message));
  }

  std::unique_ptr<net::RpcCall> call(net::RpcMethod method, Bytes request, MonoTime, OnReply on_reply) override {
    calls_.push_back(std::make_shared<Call>(Call{std::string(method.path), std::move(request), std::move(on_reply)}));
    return std::make_unique<CallHandle>(calls_.back());
  }
  std::unique_ptr<net::RpcStream> open(net::RpcMethod method, Bytes request, net::RpcStreamObserver& observer) override {
    streams_.push_back(std::make_shared<Stream>(Stream{std::string(method.path), std::move(request), &observer}));
    return std::make_unique<StreamHandle>(streams_.back());
  }

 private:
  struct CallHandle final : net::RpcCall {
    explicit CallHandle(std::shared_ptr<Call> of) : call(std::move(of)) {}
    ~CallHandle() override { call->cancelled = true; }
    std::shared_ptr<Call> call;
  };
  struct StreamHandle final : net::RpcStream {
    explicit StreamHandle(std::shared_ptr<Stream> of) : stream(std::move(of)) {}
    ~StreamHandle() override { stream->cancelled = true; }
    bool send(net::SharedBytes) override { return true; }
    void end_sending() override {}
    void pause() override {}
    void resume() override {}
    std::shared_ptr<Stream> stream;
  };

  std::vector<std::shared_ptr<Call>> calls_;
  std::vector<std::shared_ptr<Stream>> streams_;
};

}  // namespace mesh::agent
