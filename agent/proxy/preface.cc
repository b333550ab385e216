#include "agent/proxy/preface.h"

#include <algorithm>

#include "model/names.h"

namespace mesh::proxy {

MESH_MESSAGE_TABLE(Preface, MESH_PREFACE_FIELDS)
MESH_MESSAGE_TABLE(PrefaceStatus, MESH_PREFACE_STATUS_FIELDS)

namespace {

constexpr DecodeLimits kLimits{.size_max = kPrefaceMessageBytesMax, .memory_max = kPrefaceMessageBytesMax};

template <Message M>
Bytes frame_of(const M& message) {
  Bytes frame(kPrefaceHeadBytes, '\0');
  encode_to(frame, message);
  const std::size_t length = frame.size() - kPrefaceHeadBytes;
  CHECK(length <= kPrefaceMessageBytesMax, "a preface of {} bytes", length);
  frame[0] = static_cast<char>(kPrefaceVersion);
  frame[1] = static_cast<char>(length >> 8);
  frame[2] = static_cast<char>(length & 0xff);
  return frame;
}

std::size_t length_in(ByteView head) {
  return std::size_t{static_cast<std::uint8_t>(head[1])} << 8 | static_cast<std::uint8_t>(head[2]);
}

Status check_text(std::string_view field, std::string_view text, std::size_t bytes_max) {
  const std::string fault = model::text_fault(text, bytes_max);
  if (fault.empty()) return {};
  return error(Code::Invalid, "{} {}", field, fault);
}

// Without control characters, cut between UTF-8 sequences.
void tame(std::string& text, std::size_t bytes_max) {
  std::replace_if(text.begin(), text.end(), [](char c) { return static_cast<std::uint8_t>(c) < 0x20 || c == 0x7f; }, '?');
  if (text.size() <= bytes_max) return;
  while (bytes_max != 0 && (static_cast<std::uint8_t>(text[bytes_max]) & 0xc0) == 0x80) --bytes_max;
  text.resize(bytes_max);
}

}  // namespace

Bytes encode_preface(const Preface& preface) { return frame_of(preface); }

Bytes encode_status(PrefaceStatus status) {
  tame(status.text, kStatusTextBytesMax);
  tame(status.rule, kStatusRuleBytesMax);
  return frame_of(status);
}

std::size_t FrameReader::missing() const {
  if (frame_.size() < kPrefaceHeadBytes) return kPrefaceHeadBytes - frame_.size();
  return kPrefaceHeadBytes + length_in(frame_) - frame_.size();
}

Result<bool> FrameReader::feed(ByteView& data) {
  while (missing() != 0 && !data.empty()) {
    const std::size_t count = std::min(missing(), data.size());
    frame_.append(data.substr(0, count));
    data.remove_prefix(count);
    if (static_cast<std::uint8_t>(frame_[0]) != kPrefaceVersion)
      return error(Code::Unsupported, "version {} of mesh-tcp/1, this release speaks {}",
                   static_cast<unsigned>(static_cast<std::uint8_t>(frame_[0])), unsigned{kPrefaceVersion});
    if (frame_.size() == kPrefaceHeadBytes && length_in(frame_) > kPrefaceMessageBytesMax)
      return error(Code::Invalid, "a record of {} bytes, the limit is {}", length_in(frame_), kPrefaceMessageBytesMax);
  }
  return missing() == 0;
}

Result<Preface> FrameReader::preface() const {
  MESH_TRY(preface, decode<Preface>(ByteView(frame_).substr(kPrefaceHeadBytes), kLimits));
  MESH_TRY_STATUS(check_text("instance", preface.instance, kPrefaceInstanceBytesMax));
  MESH_TRY_STATUS(check_text("port", preface.port, kPrefacePortBytesMax));
  MESH_TRY_STATUS(check_text("source_address", preface.source_address, kPrefaceAddressBytesMax));
  MESH_TRY_STATUS(check_text("traceparent", preface.traceparent, kPrefaceTraceBytesMax));
  return preface;
}

Result<PrefaceStatus> FrameReader::status() const {
  MESH_TRY(status, decode<PrefaceStatus>(ByteView(frame_).substr(kPrefaceHeadBytes), kLimits));
  MESH_TRY_STATUS(check_text("text", status.text, kStatusTextBytesMax));
  MESH_TRY_STATUS(check_text("rule", status.rule, kStatusRuleBytesMax));
  return status;
}

}  // namespace mesh::proxy
