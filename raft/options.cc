#include "raft/options.h"

#include "raft/message.h"

namespace mesh::raft {

Status CoreOptions::validate() const {
  if (heartbeat_interval <= Duration::zero()) return error(Code::Invalid, "heartbeat_interval must be positive");
  if (election_timeout < heartbeat_interval * 3)
    return error(Code::Invalid, "election_timeout must be at least three times heartbeat_interval");
  if (lease_margin < Duration::zero() || lease_margin >= election_timeout)
    return error(Code::Invalid, "lease_margin must be less than election_timeout");
  if (retry_interval <= Duration::zero()) return error(Code::Invalid, "retry_interval must be positive");
  if (inflight_messages_max == 0) return error(Code::Invalid, "inflight_messages_max must not be 0");
  if (entry_bytes_max.value() > kMessageBytesMax / 2)
    return error(Code::Invalid, "entry_bytes_max is above {}", kMessageBytesMax / 2);
  if (append_bytes_max.value() > kMessageBytesMax / 2)
    return error(Code::Invalid, "append_bytes_max is above {}", kMessageBytesMax / 2);
  if (compact_tail_bytes > compact_bytes || compact_bytes > log_bytes_max)
    return error(Code::Invalid, "compact_tail_bytes <= compact_bytes <= log_bytes_max does not hold");
  return {};
}

}  // namespace mesh::raft
