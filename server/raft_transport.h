// How Raft messages travel between servers. The raft host sends through it; what arrives is given to
// RaftHost::receive by whoever owns the connections, after the peer has proven to be the server that it
// names.
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

// For the only server of a cluster: there is nobody to send to.
class LoneTransport final : public RaftTransport {
 public:
  void send(raft::Message message) override;
};

}  // namespace mesh::server
