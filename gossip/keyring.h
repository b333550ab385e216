// The keys of a pool: everything sent is sealed with the primary one, everything received is opened with the one that it
// names. Rotation without a gap: install the new key everywhere, then use it everywhere, then remove the old one.
// A value: copy, change, hand to the core as a whole (ReplaceSeal).
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <vector>

#include "base/result.h"
#include "base/strong.h"
#include "gossip/sealer.h"

namespace mesh::gossip {

// Names a key without telling it; docs/formats/gossip.md says how it is made.
struct KeyIdTag;
using KeyId = Strong<KeyIdTag, std::uint32_t>;

class Keyring {
 public:
  static constexpr std::size_t kKeysMax = 8;

  // The first key becomes the primary one. Again the same id: nothing changes. Overloaded beyond kKeysMax.
  Status install(KeyId id, std::shared_ptr<const PacketSealer> key);
  Status use(KeyId id);     // NotFound
  Status remove(KeyId id);  // NotFound; Precondition for the primary key

  [[nodiscard]] bool empty() const { return keys_.empty(); }
  [[nodiscard]] KeyId primary() const { return primary_; }
  [[nodiscard]] std::vector<KeyId> ids() const;
  [[nodiscard]] const PacketSealer* find(KeyId id) const;  // null: not here

 private:
  std::map<KeyId, std::shared_ptr<const PacketSealer>> keys_;
  KeyId primary_;
};

}  // namespace mesh::gossip
