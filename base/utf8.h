// UTF-8 validity (RFC 3629, Unicode table 3-7), for text that leaves the process: log lines, metric labels. Any thread.
#pragma once

#include <cstddef>
#include <string_view>

namespace mesh {

// Bytes of the well-formed character at the front: 1 to 4; 0 if text is empty or the front is not well-formed (overlong,
// surrogate, above U+10FFFF, stray or missing continuation byte).
[[nodiscard]] std::size_t utf8_length(std::string_view text);

[[nodiscard]] bool is_utf8(std::string_view text);

}  // namespace mesh
