// What our files on mbedTLS share: its random callback, its errors as ours, its keys with an owner. For net/ only.
#pragma once

#include <mbedtls/pk.h>

#include <cstddef>
#include <memory>
#include <string>

#include "base/bytes.h"
#include "base/result.h"

namespace mesh::net {

// For every parameter pair (f_rng, p_rng): the kernel's generator. No state, so nothing to share or to seed.
int mbedtls_random(void* unused, unsigned char* out, std::size_t count);

// "what: mbedTLS's text (-0x1234)".
[[nodiscard]] Error mbedtls_error(Code code, std::string_view what, int mbedtls_code);

[[nodiscard]] inline const unsigned char* mbedtls_bytes(ByteView view) {
  return reinterpret_cast<const unsigned char*>(view.data());
}

// A key pair or a public key. Wiped when it goes.
class PkKey {
 public:
  PkKey() { mbedtls_pk_init(&raw_); }
  ~PkKey() { mbedtls_pk_free(&raw_); }
  PkKey(const PkKey&) = delete;
  PkKey& operator=(const PkKey&) = delete;
  [[nodiscard]] mbedtls_pk_context* get() { return &raw_; }
  [[nodiscard]] const mbedtls_pk_context* get() const { return &raw_; }

 private:
  mbedtls_pk_context raw_;
};

// Invalid if the text holds none; Unsupported if it is not of P-256.
[[nodiscard]] Result<std::unique_ptr<PkKey>> parse_private_key(ByteView pem);
[[nodiscard]] bool is_p256(const mbedtls_pk_context& key);
// SubjectPublicKeyInfo in DER. REQUIRES is_p256.
[[nodiscard]] Bytes public_key_der(const mbedtls_pk_context& key);
// mbedTLS computes a table for the base point at a key's first use and stores it in the key. Done here, before the key is
// shared by threads, the key is only read afterwards.
void prepare_for_sharing(mbedtls_pk_context& key, bool is_private);
// The same for the tables of AES, which mbedTLS makes at their first use in the process, whatever thread that is.
void prepare_for_threads();

}  // namespace mesh::net
