// Sealing: from encoded messages to packets and stream bytes, and back. docs/formats/gossip.md gives the bytes.
// A Seal is immutable and shared; any thread. A StreamDecoder belongs to one stream.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "base/bytes.h"
#include "base/result.h"
#include "base/uuid.h"
#include "gossip/keyring.h"
#include "gossip/message.h"

namespace mesh::gossip {

inline constexpr std::size_t kPacketOverheadBytes = 1 + 4 + kSealBytes;
inline constexpr std::size_t kPacketPlainBytesMax = kPacketBytesMax - kPacketOverheadBytes;
inline constexpr std::size_t kFrameBytesMax = 64 * 1024;  // what the length in front of a frame may say

enum class Direction : std::uint8_t { Question, Answer };

using StreamId = Uuid;

// Who may open what: the pool's names, which are authenticated with everything, and its keys.
class Seal {
 public:
  // REQUIRES a keyring that is not empty and a datacenter name of at most 255 bytes.
  Seal(const Uuid& cluster, std::string datacenter, Keyring keys);

  // REQUIRES plain.size() <= kPacketPlainBytesMax.
  [[nodiscard]] Bytes seal_packet(ByteView plain) const;
  // Corrupt: too long, cut, another cluster, forged. Unsupported: another version. NotFound: a key that is not here.
  [[nodiscard]] Result<Bytes> open_packet(ByteView packet) const;

  // The whole byte sequence of one direction. REQUIRES plain.size() <= kStreamBytesMax.
  [[nodiscard]] Bytes seal_stream(const StreamId& id, Direction direction, ByteView plain) const;

  [[nodiscard]] const Keyring& keys() const { return keys_; }

 private:
  friend class StreamDecoder;
  [[nodiscard]] Bytes additional(char kind, KeyId key) const;
  [[nodiscard]] Bytes additional(Direction direction, KeyId key, const StreamId& id) const;

  Uuid cluster_;
  std::string datacenter_;
  Keyring keys_;
};

// Reads one direction of a stream. Holds at most one frame until that frame opened, and kStreamBytesMax in all.
class StreamDecoder {
 public:
  // For an answer the id of the question; for a question none.
  StreamDecoder(std::shared_ptr<const Seal> seal, Direction direction, std::optional<StreamId> expected);

  // Bytes as they arrive. True: the message is whole, see message(). Errors stick: Corrupt, Unsupported, NotFound (key)
  // as above; also bytes behind the last frame, and what decode_stream_message refuses.
  [[nodiscard]] Result<bool> feed(ByteView bytes);

  [[nodiscard]] const StreamId& id() const { return id_; }
  // REQUIRES feed() said true; once.
  [[nodiscard]] StreamMessage take() { return std::move(*message_); }

 private:
  Result<bool> read_header();
  Result<bool> read_frame();

  std::shared_ptr<const Seal> seal_;
  Direction direction_;
  std::optional<StreamId> expected_;
  StreamId id_;
  KeyId key_;
  bool header_read_ = false;
  std::uint32_t frames_ = 0;
  Bytes waiting_;  // not yet a whole header or frame
  Bytes plain_;
  std::optional<StreamMessage> message_;
  std::optional<Error> failed_;
};

}  // namespace mesh::gossip
