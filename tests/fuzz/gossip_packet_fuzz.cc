// A datagram: opening refuses it or gives a packet that encodes to the same meaning; a core that receives it keeps its
// invariants, now and while time passes.
#include <cstddef>
#include <cstdint>

#include "tests/fuzz/gossip_feed.h"

using namespace mesh;
using namespace mesh::gossip;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const Bytes bytes(reinterpret_cast<const char*>(data), size);
  const auto plain = open_seal()->open_packet(bytes);
  if (!plain.ok()) return 0;
  const auto packet = decode_packet(*plain);
  if (!packet.ok()) return 0;
  const auto again = decode_packet(encode(*packet));
  CHECK(again.ok() && *again == *packet);
  (void)describe(*packet);
  const auto core = fuzz_core();
  (void)core->step(MonoTime{} + milliseconds(1), ReceivePacket{{Bytes{10, 0, 0, 2}, 8301}, bytes});
  core->check_invariants();
  for (int i = 0; i < 40 && core->next_deadline() != kNever; ++i) {
    for (const SendPacket& sent : core->step(core->next_deadline(), Tick{}).packets)
      CHECK(sent.data.size() <= kPacketBytesMax);
    core->check_invariants();
  }
  return 0;
}
