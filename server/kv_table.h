// KvTable: one version of the key-value store: its rows and what blocking queries need of the deleted ones.
// Copies are versions (O(1), see base/persistent_map.h).
//
// Indexes: that of a key is the modify index of its entry or, if there is none, the index of its deletion;
// that of a prefix is the largest of all keys below it. Never 0, never backwards while versions follow each
// other. Deletions are remembered up to kTombstonesMax; then all are forgotten and every index is at least
// that of the last one (each waiting query answers once without a change).
#pragma once

#include <cstdint>
#include <vector>

#include "base/persistent_map.h"
#include "model/kv.h"
#include "model/row_table.h"

namespace mesh::server {

class KvTable {
 public:
  static constexpr std::size_t kTombstonesMax = 16 * 1024;

  // Errors: Corrupt (row); nothing is changed then.
  [[nodiscard]] Status change(const model::RowChange& row, std::uint64_t index);
  // All rows so far came from a snapshot of `index`.
  void loaded_at(std::uint64_t index) { floor_ = index == 0 ? 1 : index; }

  [[nodiscard]] const model::KvEntry* find(ByteView key) const { return rows_.find(key); }
  // In order of key; every entry whose key begins with `prefix`.
  [[nodiscard]] std::vector<const model::KvEntry*> list(ByteView prefix) const;
  // The keys with `prefix`, cut behind the first `separator` after it (empty: never), each result once.
  [[nodiscard]] std::vector<std::string> keys(ByteView prefix, ByteView separator) const;
  [[nodiscard]] std::uint64_t index_of(ByteView key) const;
  [[nodiscard]] std::uint64_t index_below(ByteView prefix) const;

  [[nodiscard]] std::size_t size() const { return rows_.size(); }
  [[nodiscard]] std::uint64_t hash() const { return hash_; }

 private:
  model::RowTable<model::KvEntry> rows_;
  PersistentMap<Bytes, std::uint64_t> tombstones_;  // key -> index of its deletion
  std::uint64_t floor_ = 1;
  std::uint64_t hash_ = 0;
};

}  // namespace mesh::server
