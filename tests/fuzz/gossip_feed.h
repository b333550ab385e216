// Sealing that anything opens, so that a fuzzer reaches what is behind it, and a core with three members to receive it.
#pragma once

#include <memory>

#include "base/check.h"
#include "gossip/core.h"

namespace mesh::gossip {

class OpenSealer final : public PacketSealer {
 public:
  [[nodiscard]] Bytes seal(ByteView, ByteView plain) const override {
    return Bytes(kNonceBytes, '\0') + Bytes(plain) + Bytes(kTagBytes, '\0');
  }
  [[nodiscard]] Result<Bytes> open(ByteView, ByteView sealed) const override {
    if (sealed.size() < kSealBytes) return error(Code::Corrupt, "cut");
    return Bytes(sealed.substr(kNonceBytes, sealed.size() - kSealBytes));
  }
};

inline std::shared_ptr<const Seal> open_seal() {
  Keyring keys;
  CHECK(keys.install(KeyId(0), std::make_shared<OpenSealer>()).ok(), "install");
  return std::make_shared<const Seal>(Uuid(), "dc1", keys);
}

inline Rumor fuzz_member(char number) {
  Rumor out;
  out.id = Bytes(15, '\0') + number;
  out.incarnation = Incarnation(5);
  out.ip = Bytes{10, 0, 0, number};
  out.port = 8301;
  return out;
}

// Member 1; knows 2, 3 and 4, of which 3 is suspect.
inline std::unique_ptr<Core> fuzz_core() {
  const PeerAddress address{Bytes{10, 0, 0, 1}, 8301};
  auto core = std::make_unique<Core>(CoreOptions{}, Identity{id_of(fuzz_member(1).id), address, {}, Incarnation(5)},
                                     open_seal(), Rng(1), MonoTime{});
  Packet packet;
  packet.sender = fuzz_member(2).id;
  packet.rumors = {fuzz_member(2), fuzz_member(3), fuzz_member(4), fuzz_member(3)};
  packet.rumors.back().state = MemberState::Suspect;
  (void)core->step(MonoTime{}, ReceivePacket{address, open_seal()->seal_packet(encode(packet))});
  core->check_invariants();
  return core;
}

}  // namespace mesh::gossip
