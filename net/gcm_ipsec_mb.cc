#include "net/gcm_codes.h"

#ifdef MESH_HAVE_IPSEC_MB

#include <intel-ipsec-mb.h>

#include <cstring>

#include "net/crypto.h"

namespace mesh::net {

namespace {

// What the library chose for this processor, for one size of key. The manager that finds it is large; it is not kept.
struct Functions {
  aes_gcm_pre_t prepare = nullptr;
  aes_gcm_enc_dec_t encrypt = nullptr;
  aes_gcm_enc_dec_t decrypt = nullptr;
};
struct Choice {
  Functions aes128;
  Functions aes256;
  bool usable = false;
};

Choice choose() {
  Choice choice;
  IMB_MGR* manager = alloc_mb_mgr(0);
  if (manager == nullptr) return choice;
  IMB_ARCH arch = IMB_ARCH_NONE;
  init_mb_mgr_auto(manager, &arch);
  if (arch >= IMB_ARCH_SSE) {  // below it AES is emulated, slower than nettle and not in constant time
    choice.aes128 = {manager->gcm128_pre, manager->gcm128_enc, manager->gcm128_dec};
    choice.aes256 = {manager->gcm256_pre, manager->gcm256_enc, manager->gcm256_dec};
    choice.usable = true;
  }
  free_mb_mgr(manager);
  return choice;
}

const Choice& the_choice() {
  static const Choice choice = choose();  // of the processor, so of the process
  return choice;
}

std::uint8_t* bytes(char* data) { return reinterpret_cast<std::uint8_t*>(data); }
const std::uint8_t* bytes(ByteView view) { return reinterpret_cast<const std::uint8_t*>(view.data()); }

class IpsecMbKey final : public GcmKey {
 public:
  IpsecMbKey(const Functions& functions, ByteView key) : functions_(functions) {
    functions_.prepare(key.data(), &key_);
  }
  ~IpsecMbKey() override { explicit_bzero(&key_, sizeof key_); }

  void seal(const Context& context, ByteView in, char* out, char* tag) const override {
    gcm_context_data state;
    functions_.encrypt(&key_, &state, bytes(out), bytes(in), in.size(), bytes(context.nonce), bytes(context.additional),
                       context.additional.size(), bytes(tag), kGcmTagBytes);
  }

  bool open(const Context& context, ByteView in, ByteView tag, char* out) const override {
    gcm_context_data state;
    char right[kGcmTagBytes];
    functions_.decrypt(&key_, &state, bytes(out), bytes(in), in.size(), bytes(context.nonce), bytes(context.additional),
                       context.additional.size(), bytes(right), kGcmTagBytes);
    if (equal_constant_time(tag, ByteView(right, kGcmTagBytes))) return true;
    explicit_bzero(out, in.size());
    return false;
  }

 private:
  const Functions& functions_;
  alignas(64) gcm_key_data key_;
};

}  // namespace

std::unique_ptr<const GcmKey> make_gcm_ipsec_mb(ByteView key) {
  const Choice& choice = the_choice();
  if (!choice.usable) return nullptr;
  return std::make_unique<const IpsecMbKey>(key.size() == 16 ? choice.aes128 : choice.aes256, key);
}

}  // namespace mesh::net

#else

namespace mesh::net {

std::unique_ptr<const GcmKey> make_gcm_ipsec_mb(ByteView) { return nullptr; }

}  // namespace mesh::net

#endif
