// The bytes of a stream, in pieces: the decoder refuses them or gives a message, the same whatever the pieces; a core that
// gets it as a question keeps its invariants.
#include <cstddef>
#include <cstdint>
#include <optional>

#include "tests/fuzz/gossip_feed.h"

using namespace mesh;
using namespace mesh::gossip;

namespace {

std::optional<StreamMessage> decoded(ByteView bytes, std::size_t piece) {
  StreamDecoder decoder(open_seal(), Direction::Question, std::nullopt);
  while (!bytes.empty()) {
    const auto whole = decoder.feed(bytes.substr(0, piece));
    bytes.remove_prefix(std::min(piece, bytes.size()));
    if (!whole.ok()) return std::nullopt;
    if (*whole) return bytes.empty() ? std::optional(decoder.take()) : std::nullopt;
  }
  return std::nullopt;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const ByteView bytes(reinterpret_cast<const char*>(data), size);
  auto message = decoded(bytes, size + 1);
  CHECK(message == decoded(bytes, 7));
  if (!message) return 0;
  const auto again = decode_stream_message(encode(*message));
  CHECK(again.ok() && *again == *message);
  const auto core = fuzz_core();
  (void)core->step(MonoTime{} + milliseconds(1), StreamQuestion{StreamId(), std::move(*message)});
  core->check_invariants();
  return 0;
}
