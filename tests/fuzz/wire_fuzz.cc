// The wire codec over types of the model: the first byte chooses the type, the rest is the message. What is accepted
// has one encoding, which reads back to the same message and is never longer in memory than the limits say.
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "base/message.h"
#include "model/check.h"
#include "model/intention.h"
#include "model/kv.h"
#include "model/service.h"
#include "model/token.h"

namespace {

constexpr mesh::DecodeLimits kLimits = {.size_max = 1 << 20, .memory_max = 4 << 20};

template <mesh::Message M>
void run(std::string_view bytes) {
  const mesh::Result<M> message = mesh::decode<M>(bytes, kLimits);
  if (!message.ok()) return;
  const mesh::Bytes once = mesh::encode(*message);
  const mesh::Result<M> again = mesh::decode<M>(once, kLimits);
  CHECK(again.ok(), "own encoding refused: {}", again.ok() ? "" : again.error().message);
  CHECK(*again == *message, "another message came back");
  CHECK(mesh::encode(*again) == once, "two encodings of one message");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  switch (data[0] % 5) {
    case 0: run<mesh::model::ServiceInstance>(bytes); break;
    case 1: run<mesh::model::Check>(bytes); break;
    case 2: run<mesh::model::Intention>(bytes); break;
    case 3: run<mesh::model::KvEntry>(bytes); break;
    default: run<mesh::model::JoinToken>(bytes); break;
  }
  return 0;
}
