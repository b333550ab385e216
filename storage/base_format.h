// The bytes of a raft::LogBase, which stands in the log's control record and in the tables' meta row: index, term and
// configuration index (8 bytes each), length of the configuration (4), the configuration as in a configuration entry
// (raft/configuration.h). Pure; any thread.
#pragma once

#include "base/bytes.h"
#include "base/result.h"
#include "raft/types.h"

namespace mesh::storage {

void append_log_base(Bytes& out, const raft::LogBase& base);
// Corrupt if bytes do not begin with a whole base; what follows it is ignored.
[[nodiscard]] Result<raft::LogBase> decode_log_base(ByteView bytes);

}  // namespace mesh::storage
