#include "daemon/steer/protocol.h"

#include <algorithm>
#include <string_view>

#include "base/check.h"

namespace mesh::steer {

MESH_ENUM_TABLE(Mode, MESH_STEER_MODE_VALUES)
MESH_ENUM_TABLE(Fault, MESH_STEER_FAULT_VALUES)
MESH_MESSAGE_TABLE(HandOver, MESH_STEER_HAND_OVER_FIELDS)
MESH_MESSAGE_TABLE(Answer, MESH_STEER_ANSWER_FIELDS)

namespace {

enum class Kind : std::uint8_t { HandOver = 1, Answer = 2 };

constexpr std::size_t kTextBytesMax = 1000;  // three texts and the numbers stay below kAnswerBytesMax

struct FrameRule {
  Kind kind;
  std::size_t body_max;
};
constexpr FrameRule kHandOverRule{Kind::HandOver, kHandOverBytesMax};
constexpr FrameRule kAnswerRule{Kind::Answer, kAnswerBytesMax};

Bytes framed(const FrameRule& rule, const Bytes& body) {
  CHECK(body.size() <= rule.body_max);
  Bytes out;
  out.push_back(static_cast<char>(kVersion));
  out.push_back(static_cast<char>(rule.kind));
  out.push_back(static_cast<char>(body.size() >> 8));
  out.push_back(static_cast<char>(body.size() & 0xff));
  return out + body;
}

// Nothing while the frame is not whole; the bytes after it stay in `input`.
Result<std::optional<Bytes>> take_body(Bytes& input, const FrameRule& rule) {
  if (input.size() < kFrameHeadBytes) return std::optional<Bytes>();
  const auto at = [&input](std::size_t index) { return static_cast<std::uint8_t>(input[index]); };
  if (at(0) != kVersion)
    return error(Code::Unsupported, "steering protocol version {} instead of {}: meshd and meshd-steer are of different releases",
                 at(0), kVersion);
  if (at(1) != static_cast<std::uint8_t>(rule.kind)) return error(Code::Corrupt, "a frame of kind {}", at(1));
  const std::size_t size = (std::size_t{at(2)} << 8) | at(3);
  if (size > rule.body_max) return error(Code::Corrupt, "a frame of {} bytes, {} are allowed", size, rule.body_max);
  if (input.size() < kFrameHeadBytes + size) return std::optional<Bytes>();
  std::optional<Bytes> body(input.substr(kFrameHeadBytes, size));
  input.erase(0, kFrameHeadBytes + size);
  return body;
}

template <Message M>
Result<std::optional<M>> take(Bytes& input, const FrameRule& rule) {
  MESH_TRY(body, take_body(input, rule));
  if (!body) return std::optional<M>();
  MESH_TRY(message, decode<M>(*body, {.size_max = rule.body_max, .memory_max = 4 * kAnswerBytesMax}));
  return std::optional<M>(std::move(message));
}

void cut(std::string& text) {
  if (text.size() > kTextBytesMax) text.resize(kTextBytesMax);
}

}  // namespace

Bytes frame_of(const HandOver& message) { return framed(kHandOverRule, encode(message)); }

Bytes frame_of(Answer message) {
  cut(message.message);
  cut(message.hint);
  cut(message.version);
  return framed(kAnswerRule, encode(message));
}

Result<std::optional<HandOver>> take_hand_over(Bytes& input) {
  MESH_TRY(message, take<HandOver>(input, kHandOverRule));
  if (message && message->listeners > kListenersMax)
    return error(Code::Invalid, "{} listeners, {} are allowed", message->listeners, kListenersMax);
  return message;
}

Result<std::optional<Answer>> take_answer(Bytes& input) { return take<Answer>(input, kAnswerRule); }

}  // namespace mesh::steer
