// Messages as JSON, by their field tables. Names are written as the table spells them (CamelCase, Consul's) and read
// without regard to case and underscores, so ServiceName, service_name and serviceName are one name.
// docs/formats/wire.md has the mapping. Any thread.
#pragma once

#include <string>

#include "base/json.h"
#include "base/message.h"
#include "base/result.h"

namespace mesh {

struct FromJsonOptions {
  bool refuse_unknown = false;  // an unknown name is an error with its near miss, else ignored
};

void write_json_message(JsonWriter& out, const MessageTable& table, const void* message);
// The members alone, between a begin_object and an end_object of the caller: to compose an object of several messages.
void write_json_members(JsonWriter& out, const MessageTable& table, const void* message);
[[nodiscard]] Status read_json_message(const JsonValue& json, const MessageTable& table, void* message,
                                       const FromJsonOptions& options);

template <Message M>
void write_json(JsonWriter& out, const M& message) {
  write_json_message(out, M::table(), &message);
}
template <Message M>
void write_members(JsonWriter& out, const M& message) {
  write_json_members(out, M::table(), &message);
}
template <Message M>
[[nodiscard]] std::string to_json(const M& message) {
  std::string text;
  JsonWriter out(text);
  write_json(out, message);
  return text;
}

// null leaves a field at its default. Code::Invalid names the path of the field, what was found and what is expected:
// "Checks[0].Interval: text "soon" is not a duration such as 10s or 1m30s".
template <Message M>
[[nodiscard]] Result<M> from_json(const JsonValue& json, const FromJsonOptions& options = {}) {
  M message{};
  MESH_TRY_STATUS(read_json_message(json, M::table(), &message, options));
  return message;
}

}  // namespace mesh
