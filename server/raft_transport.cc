#include "server/raft_transport.h"

#include "base/check.h"

namespace mesh::server {

void LoneTransport::send(raft::Message message) {
  (void)CONTAIN(false, "a message for server {} in a cluster of one", message.to.value());
}

}  // namespace mesh::server
