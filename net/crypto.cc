#include "net/crypto.h"

#include <mbedtls/ecp.h>
#include <mbedtls/platform_util.h>
#include <mbedtls/sha256.h>
#include <sys/random.h>

#include <array>
#include <cerrno>

#include "base/check.h"
#include "net/gcm.h"
#include "net/mbedtls.h"

namespace mesh::net {

static_assert(Aead::kNonceBytes == kGcmNonceBytes && Aead::kTagBytes == kGcmTagBytes);

void fill_random(std::span<std::uint8_t> out) {
  while (!out.empty()) {
    const ssize_t got = getrandom(out.data(), out.size(), 0);
    if (got < 0 && errno == EINTR) continue;
    CHECK(got > 0, "the kernel gives no random bytes: errno {}", errno);
    out = out.subspan(static_cast<std::size_t>(got));
  }
}

Bytes random_bytes(std::size_t count) {
  Bytes out(count, '\0');
  fill_random(std::span(reinterpret_cast<std::uint8_t*>(out.data()), count));
  return out;
}

Bytes sha256(ByteView data) {
  Bytes out(kSha256Bytes, '\0');
  const int code = mbedtls_sha256_ret(mbedtls_bytes(data), data.size(), reinterpret_cast<unsigned char*>(out.data()), 0);
  CHECK(code == 0, "SHA-256 failed: {}", code);
  return out;
}

bool equal_constant_time(ByteView a, ByteView b) {
  if (a.size() != b.size()) return false;
  volatile unsigned char difference = 0;
  for (std::size_t n = 0; n < a.size(); ++n)
    difference = static_cast<unsigned char>(difference | (a[n] ^ b[n]));
  return difference == 0;
}

void wipe(Bytes& secret) {
  mbedtls_platform_zeroize(secret.data(), secret.size());
  secret.clear();
}

// ---- Aead ----

Aead::Aead(std::unique_ptr<const GcmKey> key) : key_(std::move(key)) {}
Aead::Aead(Aead&&) noexcept = default;
Aead& Aead::operator=(Aead&&) noexcept = default;
Aead::~Aead() = default;

Result<Aead> Aead::make(ByteView key) {
  if (key.size() != 16 && key.size() != 32)
    return error(Code::Invalid, "a key of AES-GCM has 16 or 32 bytes, not {}", key.size());
  return Aead(make_gcm_key(key));
}

Bytes Aead::seal(const Context& context, ByteView plain) const {
  CHECK(context.nonce.size() == kNonceBytes);
  Bytes out(plain.size() + kTagBytes, '\0');
  key_->seal({context.nonce, context.additional}, plain, out.data(), out.data() + plain.size());
  return out;
}

Result<Bytes> Aead::open(const Context& context, ByteView sealed) const {
  CHECK(context.nonce.size() == kNonceBytes);
  if (sealed.size() < kTagBytes) return error(Code::Corrupt, "sealed bytes are shorter than their tag");
  const std::size_t size = sealed.size() - kTagBytes;
  Bytes out(size, '\0');
  if (!key_->open({context.nonce, context.additional}, sealed.substr(0, size), sealed.substr(size), out.data()))
    return error(Code::Corrupt, "sealed bytes were changed, or the key is another");
  return out;
}

// ---- keys ----

Bytes make_key_pem() {
  PkKey key;
  int code = mbedtls_pk_setup(key.get(), mbedtls_pk_info_from_type(MBEDTLS_PK_ECKEY));
  CHECK(code == 0, "out of memory for a key: {}", code);
  code = mbedtls_ecp_gen_key(MBEDTLS_ECP_DP_SECP256R1, mbedtls_pk_ec(*key.get()), mbedtls_random, nullptr);
  CHECK(code == 0, "no P-256 key could be made: {}", code);
  std::array<unsigned char, 512> text{};
  code = mbedtls_pk_write_key_pem(key.get(), text.data(), text.size());
  CHECK(code == 0, "a P-256 key could not be written: {}", code);
  Bytes pem(reinterpret_cast<const char*>(text.data()));
  mbedtls_platform_zeroize(text.data(), text.size());
  return pem;
}

Result<Bytes> key_hash_of(ByteView key_pem) {
  MESH_TRY(key, parse_private_key(key_pem));
  return sha256(public_key_der(*key->get()));
}

}  // namespace mesh::net
