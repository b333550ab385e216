#include "gossip/envelope.h"

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace mesh::gossip {
namespace {

constexpr char kVersion = 1;
constexpr std::size_t kKeyIdBytes = 4;
constexpr std::size_t kStreamIdBytes = 16;
constexpr std::size_t kStreamHeaderBytes = 1 + kKeyIdBytes + kStreamIdBytes;
constexpr std::size_t kLengthBytes = 4;
constexpr std::size_t kFrameBytesMin = 1 + kSealBytes;
constexpr std::size_t kPieceBytesMax = kFrameBytesMax - kFrameBytesMin;
constexpr std::size_t kDatacenterBytesMax = 255;

void append_frame_place(Bytes& additional, std::uint32_t number, bool last) {
  append_be32(additional, number);
  additional.push_back(last ? 1 : 0);
}

Error wrong_version(char version) {
  return error(Code::Unsupported, "gossip of version {}", static_cast<int>(static_cast<unsigned char>(version)));
}

Error unknown_key(KeyId key) { return error(Code::NotFound, "gossip sealed with unknown key {:08x}", key.value()); }

Error behind_the_end() { return error(Code::Corrupt, "gossip stream: bytes behind its end"); }

}  // namespace

Seal::Seal(const Uuid& cluster, std::string datacenter, Keyring keys)
    : cluster_(cluster), datacenter_(std::move(datacenter)), keys_(std::move(keys)) {
  CHECK(!keys_.empty(), "gossip without a key");
  CHECK(datacenter_.size() <= kDatacenterBytesMax, "datacenter name of {} bytes", datacenter_.size());
}

Bytes Seal::additional(char kind, KeyId key) const {
  Bytes out{kVersion, kind};
  append_be32(out, key.value());
  out.append(cluster_.bytes().begin(), cluster_.bytes().end());
  out.push_back(static_cast<char>(datacenter_.size()));
  return out += datacenter_;
}

Bytes Seal::additional(Direction direction, KeyId key, const StreamId& id) const {
  Bytes out = additional(direction == Direction::Question ? 'Q' : 'R', key);
  return out.append(id.bytes().begin(), id.bytes().end());
}

Bytes Seal::seal_packet(ByteView plain) const {
  CHECK(plain.size() <= kPacketPlainBytesMax, "gossip packet of {} bytes", plain.size());
  const KeyId key = keys_.primary();
  Bytes out(1, kVersion);
  append_be32(out, key.value());
  return out += keys_.find(key)->seal(additional('P', key), plain);
}

Result<Bytes> Seal::open_packet(ByteView packet) const {
  if (packet.size() > kPacketBytesMax) return error(Code::Corrupt, "gossip packet of {} bytes", packet.size());
  if (packet.size() < kPacketOverheadBytes) return error(Code::Corrupt, "gossip packet cut at {} bytes", packet.size());
  if (packet.front() != kVersion) return wrong_version(packet.front());
  const KeyId key{read_be32(packet.substr(1))};
  const PacketSealer* sealer = keys_.find(key);
  if (sealer == nullptr) return unknown_key(key);
  return sealer->open(additional('P', key), packet.substr(1 + kKeyIdBytes));
}

Bytes Seal::seal_stream(const StreamId& id, Direction direction, ByteView plain) const {
  CHECK(plain.size() <= kStreamBytesMax, "gossip stream of {} bytes", plain.size());
  const KeyId key = keys_.primary();
  const PacketSealer& sealer = *keys_.find(key);
  const Bytes common = additional(direction, key, id);
  Bytes out(1, kVersion);
  append_be32(out, key.value());
  out.append(id.bytes().begin(), id.bytes().end());
  for (std::uint32_t number = 0;; ++number) {
    const ByteView piece = plain.substr(0, kPieceBytesMax);
    plain.remove_prefix(piece.size());
    const bool last = plain.empty();
    Bytes place = common;
    append_frame_place(place, number, last);
    const Bytes sealed = sealer.seal(place, piece);
    append_be32(out, static_cast<std::uint32_t>(1 + sealed.size()));
    out.push_back(last ? 1 : 0);
    out += sealed;
    if (last) return out;
  }
}

StreamDecoder::StreamDecoder(std::shared_ptr<const Seal> seal, Direction direction, std::optional<StreamId> expected)
    : seal_(std::move(seal)), direction_(direction), expected_(expected) {}

Result<bool> StreamDecoder::feed(ByteView bytes) {
  if (failed_) return *failed_;
  while (true) {
    // Never more than the part that is being read, so a peer decides nothing about the size.
    const std::size_t want = !header_read_               ? kStreamHeaderBytes
                             : waiting_.size() < kLengthBytes ? kLengthBytes
                                                          : kLengthBytes + read_be32(waiting_);
    const std::size_t taken = std::min(bytes.size(), want - std::min(want, waiting_.size()));
    waiting_.append(bytes.substr(0, taken));
    bytes.remove_prefix(taken);
    if (waiting_.size() < want) return false;
    auto whole = header_read_ ? read_frame() : read_header();
    if (whole.ok() && *whole && !bytes.empty()) whole = behind_the_end();
    if (!whole.ok()) {
      failed_ = whole.error();
      return whole;
    }
    if (*whole) return true;
  }
}

Result<bool> StreamDecoder::read_header() {
  if (waiting_.front() != kVersion) return wrong_version(waiting_.front());
  key_ = KeyId(read_be32(ByteView(waiting_).substr(1)));
  if (seal_->keys().find(key_) == nullptr) return unknown_key(key_);
  id_ = id_of(ByteView(waiting_).substr(1 + kKeyIdBytes));
  if (expected_ && id_ != *expected_) return error(Code::Corrupt, "gossip stream: the answer to another question");
  waiting_.clear();
  header_read_ = true;
  return false;
}

// False also when only the length is here.
Result<bool> StreamDecoder::read_frame() {
  const std::size_t length = read_be32(waiting_);
  if (length < kFrameBytesMin || length > kFrameBytesMax)
    return error(Code::Corrupt, "gossip stream: a frame of {} bytes", length);
  if (waiting_.size() == kLengthBytes) return false;
  const ByteView frame = ByteView(waiting_).substr(kLengthBytes);
  const bool last = frame.front() == 1;
  if (!last && frame.front() != 0) return error(Code::Corrupt, "gossip stream: a frame without a mark");
  Bytes place = seal_->additional(direction_, key_, id_);
  append_frame_place(place, frames_, last);
  MESH_TRY(piece, seal_->keys().find(key_)->open(place, frame.substr(1)));
  if (plain_.size() + piece.size() > kStreamBytesMax)
    return error(Code::Corrupt, "gossip stream: over {} bytes", kStreamBytesMax);
  plain_ += piece;
  ++frames_;
  waiting_.clear();
  if (!last) return false;
  MESH_TRY(message, decode_stream_message(plain_));
  message_ = std::move(message);
  plain_ = Bytes();
  failed_ = behind_the_end();  // for whatever is fed now
  return true;
}

}  // namespace mesh::gossip
