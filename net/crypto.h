// Cryptographic tools for everybody: random bytes, hashes, authenticated encryption of small things, keys. TLS is in tls/.
//
// Thread: any; values and pure functions. Errors: only where a Result is returned; a kernel without random bytes or a
// library that cannot hash ends the process, since nobody could go on safely.
// The code behind it: random bytes from getrandom(2); SHA-256 and P-256 from mbedTLS; AES-GCM as gcm.h says.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "base/bytes.h"
#include "base/result.h"

namespace mesh::net {

inline constexpr std::size_t kSha256Bytes = 32;

// From the kernel's generator; waits only in the first moments of a machine's life. For secrets and for seeds of Rng.
void fill_random(std::span<std::uint8_t> out);
[[nodiscard]] Bytes random_bytes(std::size_t count);

[[nodiscard]] Bytes sha256(ByteView data);  // kSha256Bytes

// Takes the same time wherever the first difference is. False for different lengths.
[[nodiscard]] bool equal_constant_time(ByteView a, ByteView b);

// Overwrites a secret that is no longer needed and empties it.
void wipe(Bytes& secret);

// AES-GCM (NIST SP 800-38D) under one key: 128 bits for keys of 16 bytes, 256 for 32. Immutable; any thread.
// A nonce must never be used twice under one key: a random one is good for 2^32 messages.
class Aead {
 public:
  static constexpr std::size_t kNonceBytes = 12;
  static constexpr std::size_t kTagBytes = 16;

  struct Context {
    ByteView nonce;       // kNonceBytes
    ByteView additional;  // authenticated, not encrypted
  };

  // Invalid unless the key has 16 or 32 bytes.
  static Result<Aead> make(ByteView key);
  Aead(Aead&&) noexcept;
  Aead& operator=(Aead&&) noexcept;
  ~Aead();  // wipes the key

  // The encrypted bytes, followed by the tag. REQUIRES a nonce of kNonceBytes.
  [[nodiscard]] Bytes seal(const Context& context, ByteView plain) const;
  // Corrupt if a single bit of nonce, additional or sealed differs, or the key is another. REQUIRES as above.
  [[nodiscard]] Result<Bytes> open(const Context& context, ByteView sealed) const;

 private:
  explicit Aead(std::unique_ptr<const class GcmKey> key);
  std::unique_ptr<const class GcmKey> key_;
};

// A new P-256 private key in PEM ("EC PRIVATE KEY").
[[nodiscard]] Bytes make_key_pem();
// SHA-256 of the public key (SubjectPublicKeyInfo in DER): how keys are named. Invalid if it is no P-256 private key.
[[nodiscard]] Result<Bytes> key_hash_of(ByteView key_pem);

}  // namespace mesh::net
