// AES-GCM with nonces of 96 bits and tags of 128 bits: the wall behind which the code that does it is chosen.
//
// libipsec-mb where the build has it and the processor has AES instructions (it then picks AES-NI, VAES or AVX512 by
// itself), else nettle. To replace or add one: a gcm_*.cc that derives from GcmKey, and make_gcm_key().
// Thread: a key is immutable; any thread. Memory of a key: 1.1 KiB with libipsec-mb, 4.3 KiB with nettle.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "base/bytes.h"

namespace mesh::net {

inline constexpr std::size_t kGcmNonceBytes = 12;
inline constexpr std::size_t kGcmTagBytes = 16;

class GcmKey {
 public:
  struct Context {
    ByteView nonce;       // kGcmNonceBytes
    ByteView additional;  // authenticated, not encrypted
  };

  GcmKey() = default;
  virtual ~GcmKey() = default;  // wipes the key
  GcmKey(const GcmKey&) = delete;
  GcmKey& operator=(const GcmKey&) = delete;

  // Writes in.size() bytes to out, which may be in.data() but not overlap it otherwise, and the tag.
  virtual void seal(const Context& context, ByteView in, char* out, char* tag) const = 0;
  // As seal, and compares the tag in constant time. False: it differs, and out holds zeros.
  [[nodiscard]] virtual bool open(const Context& context, ByteView in, ByteView tag, char* out) const = 0;
};

enum class GcmCode : std::uint8_t { Best, IpsecMb, Nettle };

// REQUIRES a key of 16 or 32 bytes. Null if this build or this processor has not what `code` names; Best always works.
[[nodiscard]] std::unique_ptr<const GcmKey> make_gcm_key(ByteView key, GcmCode code = GcmCode::Best);
// What Best means here; for logs and benchmarks.
[[nodiscard]] const char* gcm_code_name();

}  // namespace mesh::net
