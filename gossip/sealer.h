// Authenticated encryption under one key, as gossip needs it. gossip/driver implements it with net/crypto.h; the
// simulator with a keyed checksum. Immutable; any thread.
#pragma once

#include <cstddef>

#include "base/bytes.h"
#include "base/result.h"

namespace mesh::gossip {

inline constexpr std::size_t kNonceBytes = 12;
inline constexpr std::size_t kTagBytes = 16;
inline constexpr std::size_t kSealBytes = kNonceBytes + kTagBytes;

class PacketSealer {
 public:
  virtual ~PacketSealer() = default;
  // Nonce, encrypted bytes, tag: kSealBytes longer than `plain`. A fresh nonce each time.
  [[nodiscard]] virtual Bytes seal(ByteView additional, ByteView plain) const = 0;
  // Corrupt for anything but what seal() of the same key and `additional` gave.
  [[nodiscard]] virtual Result<Bytes> open(ByteView additional, ByteView sealed) const = 0;
};

}  // namespace mesh::gossip
