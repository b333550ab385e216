// Transaction: what one command does to a state. Its steps write rows, later steps see them, and the end is a
// new version with the change set that leads to it; dropping the transaction leaves no trace. Raft loop.
#pragma once

#include <cstdint>
#include <map>
#include <utility>

#include "base/bytes.h"
#include "base/check.h"
#include "base/message.h"
#include "base/time.h"
#include "base/uuid.h"
#include "model/tables.h"
#include "server/state.h"

namespace mesh::server {

class Transaction {
 public:
  struct Origin {
    std::uint64_t index = 0;  // of the entry
    WallTime time;            // command time
    ByteView random;          // of the command; outlives the transaction
  };

  Transaction(State state, const Origin& origin);

  // With all rows written so far.
  [[nodiscard]] const State& state() const { return state_; }
  [[nodiscard]] const model::Catalog& catalog() const { return std::as_const(state_).catalog(); }
  [[nodiscard]] std::uint64_t index() const { return changes_.index; }
  [[nodiscard]] WallTime time() const { return origin_.time; }

  // The next UUID drawn from the command's random bytes.
  [[nodiscard]] Uuid next_uuid();

  // Writes a row that has create_index and modify_index and sets both. `existing` is the row it replaces, or
  // null. A row that is equal to the existing one is not written. True if it was written.
  template <Message T>
  bool upsert(model::TableId table, Bytes key, T row, const T* existing) {
    row.create_index = existing == nullptr ? index() : existing->create_index;
    row.modify_index = existing == nullptr ? index() : existing->modify_index;
    if (existing != nullptr && row == *existing) return false;
    row.modify_index = index();
    put(table, std::move(key), encode(row));
    return true;
  }
  void put(model::TableId table, Bytes key, Bytes value) { write({table, std::move(key), std::move(value)}); }
  void erase(model::TableId table, Bytes key) { write({table, std::move(key), std::nullopt}); }

  struct Outcome {
    State state;
    model::ChangeSet changes;
  };
  [[nodiscard]] Outcome finish() &&;

 private:
  void write(model::RowChange row);

  State state_;
  Origin origin_;
  std::uint64_t uuids_ = 0;
  model::ChangeSet changes_;
  std::map<std::pair<model::TableId, Bytes>, std::size_t> places_;  // of rows in changes_
};

}  // namespace mesh::server
