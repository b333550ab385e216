#include "base/uuid.h"

#include "base/bytes.h"
#include "base/rng.h"

namespace mesh {
namespace {

constexpr bool is_hyphen_place(std::size_t i) { return i == 8 || i == 13 || i == 18 || i == 23; }

// -1: no hexadecimal digit.
int digit_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

Error not_a_uuid() {
  return error(Code::Invalid, "not a UUID; expected 36 characters like 8f7a1c9e-0b5d-4e0a-9a51-2f6f0c1d7e42");
}

}  // namespace

Uuid Uuid::from_random(Raw bytes) {
  bytes[6] = static_cast<std::uint8_t>((bytes[6] & 0x0f) | 0x40);  // version 4 (RFC 4122 section 4.4)
  bytes[8] = static_cast<std::uint8_t>((bytes[8] & 0x3f) | 0x80);  // variant 10
  return Uuid(bytes);
}

Uuid Uuid::make(Rng& rng) {
  Raw bytes{};
  for (std::size_t half = 0; half < 2; ++half) {
    const std::uint64_t word = rng.next();
    for (std::size_t i = 0; i < 8; ++i) bytes[half * 8 + i] = static_cast<std::uint8_t>(word >> (i * 8));
  }
  return from_random(bytes);
}

Result<Uuid> Uuid::parse(std::string_view text) {
  if (text.size() != kTextBytes) return not_a_uuid();
  Raw bytes{};
  std::size_t digits = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (is_hyphen_place(i)) {
      if (text[i] != '-') return not_a_uuid();
      continue;
    }
    const int value = digit_value(text[i]);
    if (value < 0) return not_a_uuid();
    bytes[digits / 2] = static_cast<std::uint8_t>(bytes[digits / 2] << 4 | value);
    ++digits;
  }
  return Uuid(bytes);
}

std::string Uuid::to_string() const {
  const std::string digits = to_hex(ByteView(reinterpret_cast<const char*>(bytes_.data()), bytes_.size()));
  std::string out;
  out.reserve(kTextBytes);
  for (char c : digits) {
    if (is_hyphen_place(out.size())) out.push_back('-');
    out.push_back(c);
  }
  return out;
}

}  // namespace mesh
