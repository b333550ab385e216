#include "net/rpc_dial.h"

#include "net/tcp.h"

namespace mesh::net {

namespace {

class PlainDial final : public RpcDial {
 public:
  PlainDial(Loop& loop, const Endpoint& to, MonoTime deadline, RpcDialer::OnDone on_done)
      : connect_(loop, to, ConnectOptions{.deadline = deadline},
                 [on_done = std::move(on_done)](Result<std::unique_ptr<Stream>> result) mutable {
                   if (result.ok()) on_done(std::unique_ptr<ByteStream>(std::move(*result)));
                   else on_done(std::move(result).error());
                 }) {}

 private:
  StreamConnect connect_;
};

}  // namespace

std::unique_ptr<RpcDial> PlainDialer::dial(const Endpoint& to, MonoTime deadline, OnDone on_done) {
  return std::make_unique<PlainDial>(loop_, to, deadline, std::move(on_done));
}

}  // namespace mesh::net
