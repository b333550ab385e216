#include "gossip/driver_key.h"

#include <utility>

#include "net/crypto.h"

namespace mesh::gossip {
namespace {

static_assert(kNonceBytes == net::Aead::kNonceBytes && kTagBytes == net::Aead::kTagBytes);

class AeadSealer final : public PacketSealer {
 public:
  explicit AeadSealer(net::Aead aead) : aead_(std::move(aead)) {}

  [[nodiscard]] Bytes seal(ByteView additional, ByteView plain) const override {
    Bytes out = net::random_bytes(kNonceBytes);
    return out += aead_.seal({out, additional}, plain);
  }
  [[nodiscard]] Result<Bytes> open(ByteView additional, ByteView sealed) const override {
    if (sealed.size() < kSealBytes) return error(Code::Corrupt, "sealed bytes are cut");
    return aead_.open({sealed.substr(0, kNonceBytes), additional}, sealed.substr(kNonceBytes));
  }

 private:
  net::Aead aead_;
};

}  // namespace

KeyId key_id(ByteView key) { return KeyId(read_be32(net::sha256("meshd gossip key id" + Bytes(key)))); }

Result<std::shared_ptr<const PacketSealer>> make_sealer(ByteView key) {
  MESH_TRY(aead, net::Aead::make(key).context("while reading a gossip key"));
  return std::shared_ptr<const PacketSealer>(std::make_shared<const AeadSealer>(std::move(aead)));
}

}  // namespace mesh::gossip
