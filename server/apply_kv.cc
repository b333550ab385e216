// The key-value store. Compare-and-set answers as Consul's: a lost one is no error, it is "not applied".
#include "server/apply.h"

namespace mesh::server {

namespace {

void erase_tree(Transaction& tx, ByteView prefix) {
  const KvTable before = tx.state().kv();  // keeps alive what the loop looks at
  for (const model::KvEntry* entry : before.list(prefix)) tx.erase(model::kTableKv, entry->key);
}

void set(Transaction& tx, const model::KvCommand& body, const model::KvEntry* existing) {
  model::KvEntry entry = existing == nullptr ? model::KvEntry{} : *existing;
  entry.key = body.key;
  entry.value = body.value;
  entry.flags = body.flags;
  tx.upsert(model::kTableKv, body.key, std::move(entry), existing);
}

}  // namespace

Result<Applied> apply(Transaction& tx, const model::KvCommand& body) {
  const KvTable before = tx.state().kv();
  const model::KvEntry* existing = before.find(body.key);
  const std::uint64_t index = existing == nullptr ? 0 : existing->modify_index;
  switch (body.op) {
    case model::KvOp::Set:
      set(tx, body, existing);
      return Applied{};
    case model::KvOp::Cas:
      if (index != body.index) return Applied{false, {}};
      set(tx, body, existing);
      return Applied{};
    case model::KvOp::Delete:
      if (existing != nullptr) tx.erase(model::kTableKv, body.key);
      return Applied{};
    case model::KvOp::DeleteTree:
      erase_tree(tx, body.key);
      return Applied{};
    case model::KvOp::DeleteCas:
      if (existing == nullptr) return Applied{};
      if (index != body.index) return Applied{false, {}};
      tx.erase(model::kTableKv, body.key);
      return Applied{};
  }
  CHECK(false, "unknown key-value operation {}", static_cast<int>(body.op));
}

}  // namespace mesh::server
