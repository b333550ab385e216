// RowTable<T>: the rows of one replicated table, decoded, as a persistent map from key to value. Versions,
// threads and costs are those of PersistentMap. The hash of each row's bytes is kept beside it, so that
// replacing a row adjusts a state hash without encoding the old one anew.
#pragma once

#include <cstdint>
#include <memory>
#include <utility>

#include "base/bytes.h"
#include "base/message.h"
#include "base/persistent_map.h"
#include "base/result.h"
#include "model/tables.h"

namespace mesh::model {

template <Message T>
class RowTable {
 public:
  struct Row {
    std::shared_ptr<const T> value;
    std::uint64_t hash = 0;
  };
  // What one change did. before: null if the row is new; after: null if it is gone. Equal bytes: same is
  // true.
  struct Change {
    std::shared_ptr<const T> before;
    std::shared_ptr<const T> after;
    std::uint64_t hash_added = 0;  // modulo 2^64
    bool same = false;
  };

  // The row as it would be stored; a deletion gives an empty one. Code::Corrupt for a value that does not
  // decode.
  [[nodiscard]] static Result<Row> prepare(const RowChange& change) {
    if (!change.value) return Row{};
    MESH_TRY(value, decode<T>(*change.value));
    return Row{std::make_shared<const T>(std::move(value)),
               row_hash(change.table_id, change.key, *change.value)};
  }

  // Stores or, if it is empty, erases. A row that is stored already stays as it is (same).
  Change put(ByteView key, Row row) {
    Change out{nullptr, row.value, row.hash, false};
    if (const Row* found = rows_.find(key)) {
      out.before = found->value;
      out.hash_added -= found->hash;
      out.same = row.value != nullptr && found->hash == row.hash && *found->value == *row.value;
    }
    if (out.same) return out;
    if (row.value) {
      rows_.set(Bytes(key), std::move(row));
    } else {
      rows_.erase(key);
    }
    return out;
  }

  [[nodiscard]] const T* find(ByteView key) const {
    const Row* row = rows_.find(key);
    return row == nullptr ? nullptr : row->value.get();
  }
  [[nodiscard]] std::shared_ptr<const T> share(ByteView key) const {
    const Row* row = rows_.find(key);
    return row == nullptr ? nullptr : row->value;
  }
  [[nodiscard]] const PersistentMap<Bytes, Row>& rows() const { return rows_; }
  [[nodiscard]] std::size_t size() const { return rows_.size(); }

  // visit(key, value) for each row whose key begins with `prefix`, in key order; a visitor that returns bool
  // ends the walk by false.
  template <class Visitor>
  void each(ByteView prefix, Visitor visit) const {
    for (auto it = rows_.lower_bound(prefix); it != rows_.end(); ++it) {
      if (!ByteView(it->first).starts_with(prefix)) return;
      if constexpr (std::is_same_v<decltype(visit(it->first, *it->second.value)), bool>) {
        if (!visit(it->first, *it->second.value)) return;
      } else {
        visit(it->first, *it->second.value);
      }
    }
  }

 private:
  PersistentMap<Bytes, Row> rows_;
};

}  // namespace mesh::model
