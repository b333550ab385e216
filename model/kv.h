// An entry of the key-value store. JSON is Consul's. Plain value; any thread.
#pragma once

#include "base/message.h"
#include "model/row.h"

namespace mesh::model {

#define MESH_KV_ENTRY_FIELDS(F)                                                                              \
  F(1, std::string, key, "Key", "any UTF-8 text without a leading slash")                                    \
  F(2, Bytes, value, "Value", "base64 in JSON, null when empty", kBytes | kEmptyNull)                        \
  F(3, std::uint64_t, flags, "Flags", "free for the client")                                                 \
  F(4, std::uint64_t, lock_index, "LockIndex", "how often it was locked")                                    \
  F(5, std::string, session, "Session", "that holds the lock", kOmitEmpty)                                   \
  MESH_ROW_FIELDS(F)
struct KvEntry {
  MESH_MESSAGE(KvEntry, MESH_KV_ENTRY_FIELDS)
};

inline constexpr std::size_t kKvKeyMax = 512;                         // bytes; more: 400
inline constexpr std::size_t kKvValueMax = std::size_t{512} << 10;    // bytes; more: 413

}  // namespace mesh::model
