#include "base/utf8.h"

#include <cstdint>

namespace mesh {
namespace {

// The second byte's range depends on the first; all later ones are 80..BF.
struct Lead {
  std::uint8_t first_min, first_max, second_min, second_max, length;
};
constexpr Lead kLeads[] = {
    {0xc2, 0xdf, 0x80, 0xbf, 2}, {0xe0, 0xe0, 0xa0, 0xbf, 3}, {0xe1, 0xec, 0x80, 0xbf, 3},
    {0xed, 0xed, 0x80, 0x9f, 3}, {0xee, 0xef, 0x80, 0xbf, 3}, {0xf0, 0xf0, 0x90, 0xbf, 4},
    {0xf1, 0xf3, 0x80, 0xbf, 4}, {0xf4, 0xf4, 0x80, 0x8f, 4},
};

std::uint8_t byte_at(std::string_view text, std::size_t i) { return static_cast<std::uint8_t>(text[i]); }

bool matches(const Lead& lead, std::string_view text) {
  if (text.size() < lead.length) return false;
  if (byte_at(text, 1) < lead.second_min || byte_at(text, 1) > lead.second_max) return false;
  for (std::size_t i = 2; i < lead.length; ++i)
    if (byte_at(text, i) < 0x80 || byte_at(text, i) > 0xbf) return false;
  return true;
}

}  // namespace

std::size_t utf8_length(std::string_view text) {
  if (text.empty()) return 0;
  const std::uint8_t first = byte_at(text, 0);
  if (first < 0x80) return 1;
  for (const Lead& lead : kLeads)
    if (first >= lead.first_min && first <= lead.first_max) return matches(lead, text) ? lead.length : 0;
  return 0;
}

bool is_utf8(std::string_view text) {
  while (!text.empty()) {
    const std::size_t length = utf8_length(text);
    if (length == 0) return false;
    text.remove_prefix(length);
  }
  return true;
}

}  // namespace mesh
