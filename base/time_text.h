// Durations and times as people and Consul's clients write them. Any thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/time.h"

namespace mesh {

// Go's syntax: an optional sign, then numbers with units, largest first by habit: "10s", "1500ms", "1m30s", "1.5h".
// Units ns, us, ms, s, m, h; "0" needs none. Nothing on any other text and outside +-292 years.
[[nodiscard]] std::optional<Duration> parse_duration(std::string_view text);
// Go's spelling: "0s", "1.5s", "250ms", "1m30s", "1h0m0s". Reads back to the same value.
[[nodiscard]] std::string format_duration(Duration duration);

// RFC 3339 in UTC: "2024-05-01T12:00:00Z", fraction of up to nine digits when it is not zero.
[[nodiscard]] std::string format_time(WallTime time);
// RFC 3339 with "Z" or an offset, years 1970 to 2261.
[[nodiscard]] std::optional<WallTime> parse_time(std::string_view text);

}  // namespace mesh
