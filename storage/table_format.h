// Keys and values of the state tables in RocksDB, as docs/formats/state-tables.md describes them. Pure; any thread.
#pragma once

#include <cstdint>
#include <optional>

#include "base/bytes.h"
#include "base/result.h"
#include "base/uuid.h"
#include "raft/storage.h"

namespace mesh::storage {

inline constexpr std::uint32_t kTablesFormatVersion = 1;
inline constexpr std::uint32_t kFirstGeneration = 1;

struct TablesMeta {
  std::uint32_t generation = kFirstGeneration;
  Uuid cluster_id;
  raft::RecoveredTables about;
};

// Sorts before every row.
[[nodiscard]] Bytes meta_key();
[[nodiscard]] Bytes encode_meta(const TablesMeta& meta);
// Corrupt: not a meta row; Unsupported: of a newer format version.
[[nodiscard]] Result<TablesMeta> decode_meta(ByteView value);

// The key of a row; the first key of a table, of a generation.
[[nodiscard]] Bytes row_key(std::uint32_t generation, raft::TableId table, ByteView key);
[[nodiscard]] Bytes table_start(std::uint32_t generation, raft::TableId table);
[[nodiscard]] Bytes generation_start(std::uint32_t generation);

struct RowKey {
  std::uint32_t generation = 0;
  raft::TableId table = 0;
  ByteView key;  // points into the bytes given
};
// nullopt: too short to be a row's key.
[[nodiscard]] std::optional<RowKey> decode_row_key(ByteView bytes);

[[nodiscard]] Bytes encode_row_value(raft::TableId table, ByteView key, ByteView value);
// The value, pointing into `stored`; Corrupt with table and key if its checksum is wrong.
[[nodiscard]] Result<ByteView> decode_row_value(raft::TableId table, ByteView key, ByteView stored);

}  // namespace mesh::storage
