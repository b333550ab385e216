#include "base/bytes.h"

#include "base/check.h"

namespace mesh {
namespace {

template <class Int>
void append_be(Bytes& out, Int value) {
  for (int shift = static_cast<int>(sizeof(Int) * 8) - 8; shift >= 0; shift -= 8)
    out.push_back(static_cast<char>(value >> shift));
}

template <class Int>
Int read_be(ByteView in) {
  CHECK(in.size() >= sizeof(Int), "{} bytes given, {} needed", in.size(), sizeof(Int));
  Int value = 0;
  for (std::size_t i = 0; i < sizeof(Int); ++i)
    value = static_cast<Int>(value << 8 | static_cast<std::uint8_t>(in[i]));
  return value;
}

}  // namespace

std::string to_hex(ByteView bytes) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string out;
  out.reserve(bytes.size() * 2);
  for (char c : bytes) {
    const auto b = static_cast<std::uint8_t>(c);
    out.push_back(kDigits[b >> 4]);
    out.push_back(kDigits[b & 15]);
  }
  return out;
}

void append_be32(Bytes& out, std::uint32_t value) { append_be(out, value); }
void append_be64(Bytes& out, std::uint64_t value) { append_be(out, value); }
std::uint32_t read_be32(ByteView in) { return read_be<std::uint32_t>(in); }
std::uint64_t read_be64(ByteView in) { return read_be<std::uint64_t>(in); }

}  // namespace mesh
