// The AES-GCM codes that make_gcm_key() chooses from. For gcm*.cc only.
#pragma once

#include <memory>

#include "net/gcm.h"

namespace mesh::net {

// Null: not in this build, or the processor has no AES instructions.
[[nodiscard]] std::unique_ptr<const GcmKey> make_gcm_ipsec_mb(ByteView key);
[[nodiscard]] std::unique_ptr<const GcmKey> make_gcm_nettle(ByteView key);

}  // namespace mesh::net
