#include "net/gcm.h"

#include "base/check.h"
#include "net/gcm_codes.h"

namespace mesh::net {

std::unique_ptr<const GcmKey> make_gcm_key(ByteView key, GcmCode code) {
  CHECK(key.size() == 16 || key.size() == 32);
  if (code == GcmCode::Nettle) return make_gcm_nettle(key);
  auto fast = make_gcm_ipsec_mb(key);
  if (fast != nullptr || code == GcmCode::IpsecMb) return fast;
  return make_gcm_nettle(key);
}

const char* gcm_code_name() {
  const Bytes key(16, '\0');
  return make_gcm_ipsec_mb(key) != nullptr ? "libipsec-mb" : "nettle";
}

}  // namespace mesh::net
