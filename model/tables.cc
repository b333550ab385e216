#include "model/tables.h"

#include "base/hash.h"
#include "model/names.h"

namespace mesh::model {

MESH_MESSAGE_TABLE(RowChange, MESH_ROW_CHANGE_FIELDS)
MESH_MESSAGE_TABLE(ChangeSet, MESH_CHANGE_SET_FIELDS)
MESH_MESSAGE_TABLE(TableHash, MESH_TABLE_HASH_FIELDS)

std::uint64_t hash_in(const std::vector<TableHash>& hashes, TableId table) {
  for (const TableHash& entry : hashes) {
    if (entry.table_id == table) return entry.hash;
  }
  return 0;
}

std::uint64_t row_hash(TableId table, ByteView key, ByteView value) {
  Bytes bytes;
  bytes.reserve(5 + key.size() + value.size());
  bytes.push_back(static_cast<char>(table.value()));
  append_be32(bytes, static_cast<std::uint32_t>(key.size()));
  bytes.append(key);
  bytes.append(value);
  return xxh3_64(bytes);
}

Bytes key_on_node(std::string_view node_id, std::string_view id) {
  Bytes key(node_id);
  key.push_back('\0');
  key += fold_name(id);
  return key;
}

Bytes leaf_key(WallTime not_after, std::string_view serial) {
  Bytes key;
  append_be64(key, static_cast<std::uint64_t>(not_after.time_since_epoch().count()));
  key += serial;
  return key;
}

}  // namespace mesh::model
