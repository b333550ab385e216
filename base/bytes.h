// Byte strings. Owned bytes are std::string, borrowed bytes std::string_view: both are 8-bit clean, grow cheaply and
// serve as map keys, so text, keys and wire data share one vocabulary. The two names below say "not text".
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace mesh {

using Bytes = std::string;           // owned, any content
using ByteView = std::string_view;   // borrowed until the call returns, any content

[[nodiscard]] std::string to_hex(ByteView bytes);  // lower case, two digits a byte

// Fixed-width big-endian integers: order of bytes = order of numbers, for keys and for on-disk headers.
void append_be32(Bytes& out, std::uint32_t value);
void append_be64(Bytes& out, std::uint64_t value);
// REQUIRES in.size() >= 4 (8).
[[nodiscard]] std::uint32_t read_be32(ByteView in);
[[nodiscard]] std::uint64_t read_be64(ByteView in);

}  // namespace mesh
