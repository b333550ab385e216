// What is replicated. The core never calls it: the driver hands it the entries of Actions::apply, in order.
// One thread (the raft loop); everything it returns is the caller's.
#pragma once

#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "raft/storage.h"
#include "raft/types.h"

namespace mesh::raft {

struct ApplyResult {
  Bytes result;                // for the client that proposed the command, if it is still waiting here
  std::vector<RowWrite> rows;  // what the command changed, for TableStore::write
};

class StateMachine {
 public:
  virtual ~StateMachine() = default;

  // Deterministic: the same payloads at the same indexes give the same results and rows on every server. A command
  // that it does not know stops the process (CHECK): skipping it would let replicas differ.
  [[nodiscard]] virtual ApplyResult apply(Index index, ByteView payload) = 0;

  // Rebuilding from tables or from an installed snapshot: begin_load(), any number of load(), end_load(). Rows come in
  // (table, key) order. An error names the row; the state is then unusable until the next begin_load().
  virtual void begin_load() = 0;
  [[nodiscard]] virtual Status load(const Row& row) = 0;
  [[nodiscard]] virtual Status end_load(Index applied) = 0;
};

}  // namespace mesh::raft
