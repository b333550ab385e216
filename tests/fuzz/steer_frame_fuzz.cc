// Frames between the agent and meshd-steer, both directions, as they come in pieces: the first byte chooses the kind, the
// second the size of the pieces. A message that is taken reads back from its own frame.
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "daemon/steer/protocol.h"

namespace {

using mesh::Bytes;

template <class M>
void run(std::string_view bytes, std::size_t piece, mesh::Result<std::optional<M>> (*take)(Bytes&)) {
  Bytes input;
  while (!bytes.empty()) {
    input.append(bytes.substr(0, piece));
    bytes.remove_prefix(std::min(piece, bytes.size()));
    const auto message = take(input);
    if (!message.ok()) return;
    if (!*message) continue;
    Bytes again = mesh::steer::frame_of(**message);
    CHECK(again.size() <= mesh::steer::kFrameHeadBytes + mesh::steer::kAnswerBytesMax);
    const auto back = take(again);
    CHECK(back.ok() && *back && again.empty(), "own frame refused");
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 2, size - 2);
  const std::size_t piece = data[1] == 0 ? bytes.size() + 1 : data[1];
  if (data[0] % 2 == 0) run<mesh::steer::HandOver>(bytes, piece, mesh::steer::take_hand_over);
  else run<mesh::steer::Answer>(bytes, piece, mesh::steer::take_answer);
  return 0;
}
