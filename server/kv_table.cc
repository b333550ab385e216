#include "server/kv_table.h"

#include <algorithm>

namespace mesh::server {

Status KvTable::change(const model::RowChange& row, std::uint64_t index) {
  using Rows = model::RowTable<model::KvEntry>;
  MESH_TRY(prepared, Rows::prepare(row).context("while reading a key-value entry"));
  if (prepared.value && prepared.value->key != row.key) {
    return error(Code::Corrupt, "a key-value entry does not belong to its key");
  }
  const Rows::Change change = rows_.put(row.key, std::move(prepared));
  if (change.same) return {};
  hash_ += change.hash_added;
  if (change.after) {
    tombstones_.erase(row.key);
  } else if (change.before) {
    tombstones_.set(row.key, index);
  }
  if (tombstones_.size() > kTombstonesMax) {
    tombstones_.clear();
    floor_ = std::max(floor_, index);
  }
  return {};
}

std::vector<const model::KvEntry*> KvTable::list(ByteView prefix) const {
  std::vector<const model::KvEntry*> out;
  rows_.each(prefix, [&](const Bytes&, const model::KvEntry& entry) { out.push_back(&entry); });
  return out;
}

std::vector<std::string> KvTable::keys(ByteView prefix, ByteView separator) const {
  std::vector<std::string> out;
  rows_.each(prefix, [&](const Bytes& key, const model::KvEntry&) {
    const std::size_t at = separator.empty() ? Bytes::npos : key.find(separator, prefix.size());
    std::string shown = at == Bytes::npos ? key : key.substr(0, at + separator.size());
    if (out.empty() || out.back() != shown) out.push_back(std::move(shown));
  });
  return out;
}

std::uint64_t KvTable::index_of(ByteView key) const {
  if (const model::KvEntry* entry = rows_.find(key)) return entry->modify_index;
  const std::uint64_t* gone = tombstones_.find(key);
  return std::max(floor_, gone == nullptr ? 0 : *gone);
}

std::uint64_t KvTable::index_below(ByteView prefix) const {
  std::uint64_t index = floor_;
  rows_.each(prefix,
             [&](const Bytes&, const model::KvEntry& entry) { index = std::max(index, entry.modify_index); });
  for (auto it = tombstones_.lower_bound(prefix); it != tombstones_.end(); ++it) {
    if (!ByteView(it->first).starts_with(prefix)) break;
    index = std::max(index, it->second);
  }
  return index;
}

}  // namespace mesh::server
