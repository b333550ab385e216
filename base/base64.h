// Base64 (RFC 4648): the standard alphabet with padding (section 4; KV values in JSON, certificates) and the URL-safe
// alphabet without padding (section 5; tokens). Any thread.
#pragma once

#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"

namespace mesh {

[[nodiscard]] std::string base64_encode(ByteView bytes);
[[nodiscard]] std::string base64url_encode(ByteView bytes);

// Strict: a foreign character, wrong padding or non-zero spare bits give Code::Invalid, so that each value has exactly
// one spelling (RFC 4648 section 3.5). No white space is skipped.
[[nodiscard]] Result<Bytes> base64_decode(std::string_view text);
[[nodiscard]] Result<Bytes> base64url_decode(std::string_view text);

}  // namespace mesh
