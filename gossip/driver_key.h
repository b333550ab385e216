// A key of the pool, ready to seal packets with: AES-GCM of net/crypto.h. Any thread.
#pragma once

#include <memory>

#include "base/bytes.h"
#include "base/result.h"
#include "gossip/keyring.h"
#include "gossip/sealer.h"

namespace mesh::gossip {

// docs/formats/gossip.md, "key id".
[[nodiscard]] KeyId key_id(ByteView key);

// Invalid unless the key has 16 or 32 bytes.
[[nodiscard]] Result<std::shared_ptr<const PacketSealer>> make_sealer(ByteView key);

}  // namespace mesh::gossip
