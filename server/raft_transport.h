// How Raft messages travel between servers (in the product: rpc_transport.h). The raft host sends through it; what arrives
// is given to RaftHost::receive by whoever owns the connections, after the peer has proven to be the server that it names.
#pragma once

#include "raft/message.h"

namespace mesh::server {

class RaftTransport {
 public:
  virtual ~RaftTransport() = default;
  // Raft loop. Never blocks and never calls back; may lose the message, and does so rather than queue without
  // bound. Urgent messages (raft::is_urgent) must not wait behind others.
  virtual void send(raft::Message message) = 0;
};

}  // namespace mesh::server
