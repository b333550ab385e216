// Sealing for the simulator and the tests: a keyed checksum that finds every accident and every wrong key, and hides
// nothing. Fast, and the same in every run. Immutable.
#pragma once

#include <cstdint>

#include "base/hash.h"
#include "gossip/sealer.h"

namespace mesh::sim {

class SimSealer final : public gossip::PacketSealer {
 public:
  explicit SimSealer(std::uint64_t key) : key_(key) {}

  [[nodiscard]] Bytes seal(ByteView additional, ByteView plain) const override {
    Bytes out(gossip::kNonceBytes, '\0');
    out += plain;
    return out += tag(additional, plain);
  }
  [[nodiscard]] Result<Bytes> open(ByteView additional, ByteView sealed) const override {
    if (sealed.size() < gossip::kSealBytes) return error(Code::Corrupt, "sealed bytes are cut");
    const ByteView plain = sealed.substr(gossip::kNonceBytes, sealed.size() - gossip::kSealBytes);
    if (sealed.substr(sealed.size() - gossip::kTagBytes) != tag(additional, plain) ||
        sealed.substr(0, gossip::kNonceBytes).find_first_not_of('\0') != ByteView::npos)
      return error(Code::Corrupt, "sealed with another key or for another purpose");
    return Bytes(plain);
  }

 private:
  [[nodiscard]] Bytes tag(ByteView additional, ByteView plain) const {
    const std::uint64_t first = xxh3_64(plain, xxh3_64(additional, key_));
    Bytes out;
    append_be64(out, first);
    append_be64(out, ~first);
    return out;
  }

  std::uint64_t key_;
};

}  // namespace mesh::sim
