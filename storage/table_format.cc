#include "storage/table_format.h"

#include "base/hash.h"
#include "storage/base_format.h"

namespace mesh::storage {
namespace {

constexpr std::size_t kMetaFixedBytes = 40;  // checksum, version, generation, cluster id, applied index
constexpr std::size_t kKeyPrefixBytes = 8;
constexpr std::size_t kChecksumBytes = 8;
constexpr std::size_t kShownKeyBytes = 64;

std::uint64_t row_checksum(raft::TableId table, ByteView key, ByteView value) {
  Bytes where;
  append_be32(where, table);
  where.append(key);
  return xxh3_64(value, xxh3_64(where));
}

}  // namespace

Bytes meta_key() {
  Bytes key;
  append_be32(key, 0);
  key.append("meta");
  return key;
}

Bytes encode_meta(const TablesMeta& meta) {
  Bytes body;
  append_be32(body, kTablesFormatVersion);
  append_be32(body, meta.generation);
  body.append(reinterpret_cast<const char*>(meta.cluster_id.bytes().data()), 16);
  append_be64(body, meta.about.applied.value());
  if (meta.about.snapshot) append_log_base(body, *meta.about.snapshot);
  Bytes out;
  append_be64(out, xxh3_64(body));
  return out + body;
}

Result<TablesMeta> decode_meta(ByteView value) {
  if (value.size() < kMetaFixedBytes) return error(Code::Corrupt, "meta row of {} bytes", value.size());
  const ByteView body = value.substr(kChecksumBytes);
  if (read_be64(value) != xxh3_64(body)) return error(Code::Corrupt, "meta row with a wrong checksum");
  const std::uint32_t version = read_be32(body);
  if (version != kTablesFormatVersion)
    return error(Code::Unsupported, "format version {}, this program reads {}: start a release that knows it", version,
                 kTablesFormatVersion);
  TablesMeta meta;
  meta.generation = read_be32(body.substr(4));
  Uuid::Raw raw{};
  std::memcpy(raw.data(), body.data() + 8, raw.size());
  meta.cluster_id = Uuid(raw);
  meta.about.applied = raft::Index(read_be64(body.substr(24)));
  if (const ByteView rest = body.substr(32); !rest.empty()) {
    MESH_TRY(base, decode_log_base(rest));
    meta.about.snapshot = std::move(base);
  }
  return meta;
}

Bytes generation_start(std::uint32_t generation) {
  Bytes key;
  append_be32(key, generation);
  return key;
}

Bytes table_start(std::uint32_t generation, raft::TableId table) {
  Bytes key = generation_start(generation);
  append_be32(key, table);
  return key;
}

Bytes row_key(std::uint32_t generation, raft::TableId table, ByteView key) {
  Bytes out = table_start(generation, table);
  out.append(key);
  return out;
}

std::optional<RowKey> decode_row_key(ByteView bytes) {
  if (bytes.size() < kKeyPrefixBytes) return std::nullopt;
  return RowKey{read_be32(bytes), read_be32(bytes.substr(4)), bytes.substr(kKeyPrefixBytes)};
}

Bytes encode_row_value(raft::TableId table, ByteView key, ByteView value) {
  Bytes out;
  out.reserve(kChecksumBytes + value.size());
  append_be64(out, row_checksum(table, key, value));
  out.append(value);
  return out;
}

Result<ByteView> decode_row_value(raft::TableId table, ByteView key, ByteView stored) {
  const bool whole = stored.size() >= kChecksumBytes &&
                     read_be64(stored) == row_checksum(table, key, stored.substr(kChecksumBytes));
  if (!whole)
    return error(Code::Corrupt, "row {} of table {} is damaged", to_hex(key.substr(0, kShownKeyBytes)), table);
  return stored.substr(kChecksumBytes);
}

}  // namespace mesh::storage
