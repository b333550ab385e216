#include "base/near_miss.h"

#include <algorithm>
#include <array>

namespace mesh {
namespace {

constexpr std::size_t kWordMax = 64;
constexpr int kEditsMax = 3;

char folded(char c) {
  if (c >= 'A' && c <= 'Z') return static_cast<char>(c - 'A' + 'a');
  return c == '-' ? '_' : c;
}

}  // namespace

// Optimal string alignment distance: the classic matrix of prefixes, of which three rows are kept.
int edit_distance(std::string_view a, std::string_view b, int bound) {
  if (a.size() > kWordMax || b.size() > kWordMax) return bound + 1;
  std::array<std::array<int, kWordMax + 1>, 3> rows{};
  for (std::size_t j = 0; j <= b.size(); ++j) rows[0][j] = static_cast<int>(j);
  for (std::size_t i = 1; i <= a.size(); ++i) {
    auto& row = rows[i % 3];
    const auto& above = rows[(i - 1) % 3];
    const auto& above_two = rows[(i + 1) % 3];
    row[0] = static_cast<int>(i);
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const bool same = folded(a[i - 1]) == folded(b[j - 1]);
      row[j] = std::min({above[j] + 1, row[j - 1] + 1, above[j - 1] + (same ? 0 : 1)});
      const bool swapped = i > 1 && j > 1 && folded(a[i - 1]) == folded(b[j - 2]) && folded(a[i - 2]) == folded(b[j - 1]);
      if (swapped) row[j] = std::min(row[j], above_two[j - 2] + 1);
    }
  }
  return std::min(rows[a.size() % 3][b.size()], bound + 1);
}

std::optional<std::string_view> near_miss(std::string_view word, std::span<const std::string_view> candidates) {
  int best = std::clamp(static_cast<int>(std::min(word.size(), kWordMax) / 3), 1, kEditsMax) + 1;
  std::optional<std::string_view> found;
  for (const std::string_view candidate : candidates) {
    const int distance = edit_distance(word, candidate, best);
    if (distance >= best) continue;
    best = distance;
    found = candidate;
  }
  return found;
}

}  // namespace mesh
