#include <nettle/aes.h>
#include <nettle/gcm.h>
#include <nettle/memops.h>

#include <cstring>

#include "net/crypto.h"
#include "net/gcm_codes.h"

namespace mesh::net {

namespace {

const std::uint8_t* bytes(ByteView view) { return reinterpret_cast<const std::uint8_t*>(view.data()); }

class NettleKey final : public GcmKey {
 public:
  explicit NettleKey(ByteView key) {
    if (key.size() == 16) {
      cipher_ = reinterpret_cast<nettle_cipher_func*>(&aes128_encrypt);
      aes128_set_encrypt_key(&aes_.small, bytes(key));
    } else {
      cipher_ = reinterpret_cast<nettle_cipher_func*>(&aes256_encrypt);
      aes256_set_encrypt_key(&aes_.large, bytes(key));
    }
    gcm_set_key(&key_, &aes_, cipher_);
  }
  ~NettleKey() override {
    explicit_bzero(&aes_, sizeof aes_);
    explicit_bzero(&key_, sizeof key_);
  }

  void seal(const Context& context, ByteView in, char* out, char* tag) const override {
    gcm_ctx state = begin(context);
    gcm_encrypt(&state, &key_, &aes_, cipher_, in.size(), reinterpret_cast<std::uint8_t*>(out), bytes(in));
    gcm_digest(&state, &key_, &aes_, cipher_, kGcmTagBytes, reinterpret_cast<std::uint8_t*>(tag));
  }

  bool open(const Context& context, ByteView in, ByteView tag, char* out) const override {
    gcm_ctx state = begin(context);
    gcm_decrypt(&state, &key_, &aes_, cipher_, in.size(), reinterpret_cast<std::uint8_t*>(out), bytes(in));
    std::uint8_t right[kGcmTagBytes];
    gcm_digest(&state, &key_, &aes_, cipher_, kGcmTagBytes, right);
    if (equal_constant_time(tag, ByteView(reinterpret_cast<const char*>(right), kGcmTagBytes))) return true;
    explicit_bzero(out, in.size());
    return false;
  }

 private:
  [[nodiscard]] gcm_ctx begin(const Context& context) const {
    gcm_ctx state;
    gcm_set_iv(&state, &key_, kGcmNonceBytes, bytes(context.nonce));
    gcm_update(&state, &key_, context.additional.size(), bytes(context.additional));
    return state;
  }

  union {
    aes128_ctx small;
    aes256_ctx large;
  } aes_;
  gcm_key key_;
  nettle_cipher_func* cipher_;
};

}  // namespace

std::unique_ptr<const GcmKey> make_gcm_nettle(ByteView key) { return std::make_unique<const NettleKey>(key); }

}  // namespace mesh::net
