// The RPC transport inside one process: each message is a function posted to the other end's loop; bytes are moved or
// shared, never copied or encoded. The two ends may live on one loop or on two.
#pragma once

#include <memory>

#include "net/rpc.h"

namespace mesh::net {

class Loop;

// The server's end. Belongs to the server's loop; destroying it breaks every open call and stream (Unavailable) and
// makes later ones fail alike. `server` must outlive it.
class LocalRpcListener {
 public:
  LocalRpcListener(Loop& server_loop, RpcServer& server);
  ~LocalRpcListener();
  LocalRpcListener(const LocalRpcListener&) = delete;
  LocalRpcListener& operator=(const LocalRpcListener&) = delete;

  // Any thread: a channel whose callers live on client_loop and are known to handlers as `peer`. It may outlive the
  // listener and the server's loop.
  [[nodiscard]] std::unique_ptr<RpcChannel> connect(Loop& client_loop, RpcPeer peer = {}) const;

  struct Core;  // for rpc_local.cc

 private:
  std::shared_ptr<Core> core_;
};

}  // namespace mesh::net
