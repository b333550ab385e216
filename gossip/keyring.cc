#include "gossip/keyring.h"

#include <utility>

namespace mesh::gossip {

Status Keyring::install(KeyId id, std::shared_ptr<const PacketSealer> key) {
  if (keys_.contains(id)) return {};
  if (keys_.size() >= kKeysMax)
    return error(Code::Overloaded, "the gossip keyring is full ({} keys): remove one first", kKeysMax);
  if (keys_.empty()) primary_ = id;
  keys_.emplace(id, std::move(key));
  return {};
}

Status Keyring::use(KeyId id) {
  if (!keys_.contains(id)) return error(Code::NotFound, "no gossip key {:08x}: install it first", id.value());
  primary_ = id;
  return {};
}

Status Keyring::remove(KeyId id) {
  if (!keys_.contains(id)) return error(Code::NotFound, "no gossip key {:08x}", id.value());
  if (id == primary_)
    return error(Code::Precondition, "gossip key {:08x} is in use: use another one first", id.value());
  keys_.erase(id);
  return {};
}

std::vector<KeyId> Keyring::ids() const {
  std::vector<KeyId> out;
  for (const auto& [id, key] : keys_) out.push_back(id);
  return out;
}

const PacketSealer* Keyring::find(KeyId id) const {
  const auto found = keys_.find(id);
  return found == keys_.end() ? nullptr : found->second.get();
}

}  // namespace mesh::gossip
