#include "base/base64.h"

#include <array>
#include <cstdint>

namespace mesh {
namespace {

constexpr std::string_view kStandard = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr std::string_view kUrl = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
constexpr std::uint8_t kForeign = 0xff;

using Inverse = std::array<std::uint8_t, 256>;

constexpr Inverse invert(std::string_view alphabet) {
  Inverse inverse{};
  for (auto& value : inverse) value = kForeign;
  for (std::size_t i = 0; i < alphabet.size(); ++i)
    inverse[static_cast<std::uint8_t>(alphabet[i])] = static_cast<std::uint8_t>(i);
  return inverse;
}

constexpr Inverse kStandardInverse = invert(kStandard);
constexpr Inverse kUrlInverse = invert(kUrl);

// Six bits a character, most significant first; the last character is filled up with zero bits.
std::string encode(ByteView bytes, std::string_view alphabet) {
  std::string out;
  out.reserve((bytes.size() + 2) / 3 * 4);
  std::uint32_t pending = 0;
  unsigned pending_bits = 0;
  for (char c : bytes) {
    pending = pending << 8 | static_cast<std::uint8_t>(c);
    for (pending_bits += 8; pending_bits >= 6; pending_bits -= 6)
      out.push_back(alphabet[pending >> (pending_bits - 6) & 63]);
  }
  if (pending_bits > 0) out.push_back(alphabet[pending << (6 - pending_bits) & 63]);
  return out;
}

Result<Bytes> decode(std::string_view text, const Inverse& inverse) {
  if (text.size() % 4 == 1) return error(Code::Invalid, "base64 of {} characters is cut off", text.size());
  Bytes out;
  out.reserve(text.size() * 3 / 4);
  std::uint32_t pending = 0;
  unsigned pending_bits = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const std::uint8_t six = inverse[static_cast<std::uint8_t>(text[i])];
    if (six == kForeign) return error(Code::Invalid, "character {} is not of the base64 alphabet", i + 1);
    pending = pending << 6 | six;
    pending_bits += 6;
    if (pending_bits < 8) continue;
    pending_bits -= 8;
    out.push_back(static_cast<char>(pending >> pending_bits));
  }
  const std::uint32_t spare = pending & ((1U << pending_bits) - 1);
  if (spare != 0) return error(Code::Invalid, "the last base64 character carries bits that belong to no byte");
  return out;
}

}  // namespace

std::string base64_encode(ByteView bytes) {
  std::string out = encode(bytes, kStandard);
  while (out.size() % 4 != 0) out.push_back('=');
  return out;
}

std::string base64url_encode(ByteView bytes) { return encode(bytes, kUrl); }

Result<Bytes> base64_decode(std::string_view text) {
  if (text.size() % 4 != 0) return error(Code::Invalid, "base64 of {} characters lacks its padding", text.size());
  for (int i = 0; i < 2 && text.ends_with('='); ++i) text.remove_suffix(1);
  return decode(text, kStandardInverse);
}

Result<Bytes> base64url_decode(std::string_view text) { return decode(text, kUrlInverse); }

}  // namespace mesh
