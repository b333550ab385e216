// How an RPC client gets a connected ByteStream: an interface, because a connection in the product is TLS over TCP, and
// one between a program and its local agent a unix socket.
//
// Thread: the loop of the dialer. Completions: STYLE section 6.
#pragma once

#include <memory>

#include "base/function.h"
#include "base/result.h"
#include "base/time.h"
#include "net/address.h"
#include "net/byte_stream.h"

namespace mesh::net {

class Loop;

// One attempt; destroying it cancels.
class RpcDial {
 public:
  virtual ~RpcDial() = default;
};

class RpcDialer {
 public:
  using OnDone = UniqueFunction<void(Result<std::unique_ptr<ByteStream>>)>;
  virtual ~RpcDialer() = default;
  // REQUIRES a real deadline. Errors name the endpoint or are put into context by the caller.
  [[nodiscard]] virtual std::unique_ptr<RpcDial> dial(const Endpoint& to, MonoTime deadline, OnDone on_done) = 0;
};

// TCP or a unix socket, nothing encrypted: for unix sockets and for tests.
class PlainDialer final : public RpcDialer {
 public:
  explicit PlainDialer(Loop& loop) : loop_(loop) {}
  [[nodiscard]] std::unique_ptr<RpcDial> dial(const Endpoint& to, MonoTime deadline, OnDone on_done) override;

 private:
  Loop& loop_;
};

}  // namespace mesh::net
