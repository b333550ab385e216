// "Did you mean ...": the candidate that a mistyped word most likely meant. Any thread.
#pragma once

#include <optional>
#include <span>
#include <string_view>

namespace mesh {

// Edits (insert, delete, replace, swap of neighbours; case and '_' against '-' are free) that turn `a` into `b`, or
// `bound + 1` if more than `bound`. Words over 64 bytes are never near.
[[nodiscard]] int edit_distance(std::string_view a, std::string_view b, int bound);

// The nearest candidate within a third of the word's length, at least 1 and at most 3 edits; the first of equals.
[[nodiscard]] std::optional<std::string_view> near_miss(std::string_view word,
                                                        std::span<const std::string_view> candidates);

}  // namespace mesh
