// JSON text as a tree and as messages: what is accepted, written and read again is the same.
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "base/json.h"
#include "base/message_json.h"
#include "model/intention.h"
#include "model/kv.h"
#include "model/service.h"

namespace {

std::string written(const mesh::JsonValue& value, bool pretty) {
  std::string text;
  mesh::JsonWriter out(text, {.pretty = pretty});
  write_json(out, value);
  return text;
}

template <mesh::Message M>
void run(const mesh::JsonValue& value) {
  const mesh::Result<M> message = mesh::from_json<M>(value);
  const mesh::Result<M> strict = mesh::from_json<M>(value, {.refuse_unknown = true});
  CHECK(message.ok() || !strict.ok(), "strict reading accepts more");
  if (!message.ok()) return;
  const auto again = mesh::from_json<M>(mesh::parse_json(mesh::to_json(*message)).value());
  CHECK(again.ok() && *again == *message, "another message came back");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const mesh::Result<mesh::JsonValue> value = mesh::parse_json(text, {.size_max = 1 << 16});
  if (!value.ok()) return 0;
  const std::string once = written(*value, false);
  CHECK(written(mesh::parse_json(once).value(), false) == once, "another tree came back");
  CHECK(written(mesh::parse_json(written(*value, true)).value(), false) == once, "pretty text is another tree");
  run<mesh::model::ServiceDefinition>(*value);
  run<mesh::model::Intention>(*value);
  run<mesh::model::KvEntry>(*value);
  return 0;
}
