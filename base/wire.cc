#include "base/wire.h"

#include <array>
#include <cstring>

namespace mesh {
namespace {

constexpr std::uint32_t kFieldNumberMax = (std::uint32_t{1} << 29) - 1;

// Writes `value` to `to`, which has room for ten bytes; gives the number of bytes.
std::size_t put_varint(char* to, std::uint64_t value) {
  std::size_t size = 0;
  while (value >= 0x80) {
    to[size++] = static_cast<char>(value | 0x80);
    value >>= 7;
  }
  to[size++] = static_cast<char>(value);
  return size;
}

}  // namespace

void WireWriter::varint(std::uint64_t value) {
  if (value < 0x80) {
    out_.push_back(static_cast<char>(value));
    return;
  }
  std::array<char, 10> buffer;
  out_.append(buffer.data(), put_varint(buffer.data(), value));
}

void WireWriter::fixed64(std::uint64_t value) {
  for (int shift = 0; shift < 64; shift += 8) out_.push_back(static_cast<char>(value >> shift));
}

void WireWriter::bytes(ByteView value) {
  varint(value.size());
  out_.append(value);
}

std::size_t WireWriter::begin() {
  out_.push_back('\0');
  return out_.size();
}

void WireWriter::end(std::size_t mark) {
  std::array<char, 10> buffer;
  const std::size_t size = put_varint(buffer.data(), out_.size() - mark);
  out_[mark - 1] = buffer[0];
  if (size > 1) out_.insert(mark, buffer.data() + 1, size - 1);
}

bool WireReader::next(std::uint32_t& number, WireType& type) {
  if (done()) return false;
  const std::uint64_t tag = varint();
  const std::uint64_t wide_number = tag >> 3;
  const auto low = static_cast<std::uint8_t>(tag & 7);
  if (failed_) return false;
  if (wide_number == 0 || wide_number > kFieldNumberMax) return fail("field number out of range") != 0;
  if (low == 3 || low == 4 || low > 5) return fail("unknown wire type") != 0;
  number = static_cast<std::uint32_t>(wide_number);
  type = static_cast<WireType>(low);
  return true;
}

std::uint64_t WireReader::varint() {
  std::uint64_t value = 0;
  for (unsigned shift = 0; shift < 70; shift += 7) {
    if (failed_ || offset_ == in_.size()) return fail("cut inside a number");
    const auto byte = static_cast<std::uint8_t>(in_[offset_++]);
    if (shift == 63 && byte > 1) return fail("number over 64 bits");
    value |= static_cast<std::uint64_t>(byte & 0x7f) << shift;
    if (byte < 0x80) return value;
  }
  return fail("number over 64 bits");
}

std::uint64_t WireReader::fixed64() {
  const ByteView raw = take(8);
  std::uint64_t value = 0;
  for (std::size_t i = raw.size(); i-- > 0;) value = value << 8 | static_cast<std::uint8_t>(raw[i]);
  return value;
}

ByteView WireReader::bytes() {
  const std::uint64_t size = varint();
  return take(size);
}

void WireReader::skip(WireType type) {
  switch (type) {
    case WireType::Varint: varint(); return;
    case WireType::Fixed64: take(8); return;
    case WireType::Length: bytes(); return;
    case WireType::Fixed32: take(4); return;
  }
}

Status WireReader::status() const {
  if (!failed_) return {};
  return error(Code::Corrupt, "byte {} of {}: {}", offset_, in_.size(), why_);
}

std::uint64_t WireReader::fail(const char* why) {
  if (!failed_) why_ = why;
  failed_ = true;
  return 0;
}

ByteView WireReader::take(std::uint64_t size) {
  if (failed_ || size > in_.size() - offset_) {
    fail("length beyond the end");
    return {};
  }
  const ByteView taken = in_.substr(offset_, static_cast<std::size_t>(size));
  offset_ += taken.size();
  return taken;
}

}  // namespace mesh
