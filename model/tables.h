// The replicated tables and the one form in which their changes travel. A ChangeSet is what one applied
// command changed; the same value is the batch for the disk, the delta of a watch stream and the input of the
// state hash (docs/formats/state.md has the list of tables, keys and values).
//
// Glossary: row = (table, key, value bytes); the key is a function of the value. catalog table = one that
// agents replicate (ids 1..15). To add a table: an id here, its key below if it has more than one part, and
// the page above. Values; any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/message.h"
#include "base/strong.h"
#include "base/time.h"

namespace mesh::model {

struct TableIdTag;
using TableId = Strong<TableIdTag, std::uint32_t>;

inline constexpr TableId kTableNodes{1};
inline constexpr TableId kTableInstances{2};
inline constexpr TableId kTableChecks{3};
inline constexpr TableId kTableNames{4};
inline constexpr TableId kTableIntentions{5};
inline constexpr TableId kTableRoots{6};
inline constexpr TableId kTableCluster{7};  // one row, with an empty key
inline constexpr TableId kTableServers{8};
inline constexpr TableId kTableRemovals{9};
inline constexpr TableId kTableCatalogKnown = kTableRemovals;  // the last of the catalog that this release knows
inline constexpr TableId kTableCatalogLast{15};
inline constexpr TableId kTableKv{16};
inline constexpr TableId kTableRequests{17};
inline constexpr TableId kTableClock{18};  // one row, with an empty key
inline constexpr TableId kTableJoinTokens{19};
inline constexpr TableId kTableManagementTokens{20};
inline constexpr TableId kTableSealedKeys{21};
inline constexpr TableId kTableMembers{22};
inline constexpr TableId kTableLeaves{23};

[[nodiscard]] constexpr bool is_catalog_table(TableId table) { return table <= kTableCatalogLast; }

// The new value of one row; no value: the row is deleted.
#define MESH_ROW_CHANGE_FIELDS(F)                         \
  F(1, TableId, table_id, "Table", "id of the table")     \
  F(2, std::string, key, "Key", "key of the row", kBytes) \
  F(3, std::optional<std::string>, value, "Value", "absent: deleted", kBytes)
struct RowChange {
  MESH_MESSAGE(RowChange, MESH_ROW_CHANGE_FIELDS)
};

// A row occurs at most once. The order is that of the command's steps.
#define MESH_CHANGE_SET_FIELDS(F)                                  \
  F(1, std::uint64_t, index, "Index", "Raft index of the command") \
  F(2, std::vector<RowChange>, rows, "Rows", "what changed")
struct ChangeSet {
  MESH_MESSAGE(ChangeSet, MESH_CHANGE_SET_FIELDS)
};

// The hash of one table's rows, the sum of row_hash over them; 0 for a table without rows.
#define MESH_TABLE_HASH_FIELDS(F)                     \
  F(1, TableId, table_id, "Table", "id of the table") \
  F(2, std::uint64_t, hash, "Hash", "sum of row_hash over its rows")
struct TableHash {
  MESH_MESSAGE(TableHash, MESH_TABLE_HASH_FIELDS)
};
// Of the table in the list; 0 if it is not there.
[[nodiscard]] std::uint64_t hash_in(const std::vector<TableHash>& hashes, TableId table);

// Part of the state hash: the hash of the whole state is the sum of these over all rows, modulo 2^64.
[[nodiscard]] std::uint64_t row_hash(TableId table, ByteView key, ByteView value);

// Keys of two parts: node id, 0x00, folded service or check id (fold_name). The first part alone, with its
// 0x00, is the prefix of all rows of a node.
[[nodiscard]] Bytes key_on_node(std::string_view node_id, std::string_view id);

// Key of a leaf: when it expires, 8 bytes big-endian, then its serial; so the rows are in order of expiry.
[[nodiscard]] Bytes leaf_key(WallTime not_after, std::string_view serial);

}  // namespace mesh::model
