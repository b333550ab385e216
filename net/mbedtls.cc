#include "net/mbedtls.h"

#include <mbedtls/ecp.h>
#include <mbedtls/error.h>
#include <mbedtls/gcm.h>

#include <array>
#include <span>

#include "base/check.h"
#include "net/crypto.h"

namespace mesh::net {

int mbedtls_random(void*, unsigned char* out, std::size_t count) {
  fill_random(std::span(out, count));
  return 0;
}

Error mbedtls_error(Code code, std::string_view what, int mbedtls_code) {
  std::array<char, 160> text{};
  mbedtls_strerror(mbedtls_code, text.data(), text.size());
  return error(code, "{}: {} (-0x{:04x})", what, text.data(), static_cast<unsigned>(-mbedtls_code));
}

bool is_p256(const mbedtls_pk_context& key) {
  return mbedtls_pk_can_do(&key, MBEDTLS_PK_ECKEY) != 0 && mbedtls_pk_ec(key)->grp.id == MBEDTLS_ECP_DP_SECP256R1;
}

Result<std::unique_ptr<PkKey>> parse_private_key(ByteView pem) {
  auto key = std::make_unique<PkKey>();
  Bytes text(pem);  // mbedTLS wants the zero behind it to be counted
  const int code = mbedtls_pk_parse_key(key->get(), mbedtls_bytes(text), text.size() + 1, nullptr, 0);
  wipe(text);
  if (code != 0) return mbedtls_error(Code::Invalid, "read a private key", code);
  if (!is_p256(*key->get())) return error(Code::Unsupported, "a private key is not of the curve P-256");
  return key;
}

Bytes public_key_der(const mbedtls_pk_context& key) {
  CHECK(is_p256(key));
  std::array<unsigned char, 256> buffer;
  // The only failures are a buffer too small and a key without a point.
  const int size = mbedtls_pk_write_pubkey_der(const_cast<mbedtls_pk_context*>(&key), buffer.data(), buffer.size());
  CHECK(size > 0, "mbedTLS could not write a public key: {}", size);
  const auto* end = reinterpret_cast<const char*>(buffer.data()) + buffer.size();
  return Bytes(end - size, static_cast<std::size_t>(size));
}

void prepare_for_sharing(mbedtls_pk_context& key, bool is_private) {
  const std::array<unsigned char, 32> hash{1};
  std::array<unsigned char, MBEDTLS_ECDSA_MAX_LEN> signature;
  std::size_t size = 0;
  if (is_private) {
    const int code = mbedtls_pk_sign(&key, MBEDTLS_MD_SHA256, hash.data(), hash.size(), signature.data(), &size,
                                     mbedtls_random, nullptr);
    CHECK(code == 0, "a key that was parsed does not sign: {}", code);
    return;
  }
  // r = s = 1: well-formed and wrong, so that it is computed.
  constexpr std::array<unsigned char, 8> kOneOne{0x30, 6, 2, 1, 1, 2, 1, 1};
  (void)mbedtls_pk_verify(&key, MBEDTLS_MD_SHA256, hash.data(), hash.size(), kOneOne.data(), kOneOne.size());
}

void prepare_for_threads() {
  const std::array<unsigned char, 16> key{};
  mbedtls_gcm_context context;
  mbedtls_gcm_init(&context);
  const int code = mbedtls_gcm_setkey(&context, MBEDTLS_CIPHER_ID_AES, key.data(), 8 * key.size());
  CHECK(code == 0, "mbedTLS has no AES: {}", code);
  mbedtls_gcm_free(&context);
}

}  // namespace mesh::net
