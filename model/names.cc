#include "model/names.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/utf8.h"

namespace mesh::model {
namespace {

constexpr std::array<std::string_view, 7> kReserved = {"service", "node",    "query",  "addr",
                                                       "virtual", "connect", "ingress"};

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

bool is_label_char(char c) {
  const char folded = lower(c);
  return (folded >= 'a' && folded <= 'z') || (c >= '0' && c <= '9') || c == '-';
}

bool is_control(char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }

}  // namespace

bool is_dns_label(std::string_view name) {
  if (name.empty() || name.size() > kDnsLabelMax) return false;
  if (name.front() == '-' || name.back() == '-') return false;
  return std::all_of(name.begin(), name.end(), is_label_char);
}

bool is_dns_name(std::string_view name) {
  if (name.size() > kDnsNameMax) return false;
  while (true) {
    const std::size_t dot = name.find('.');
    if (!is_dns_label(name.substr(0, dot))) return false;
    if (dot == std::string_view::npos) return true;
    name.remove_prefix(dot + 1);
  }
}

bool is_reserved_name(std::string_view name) {
  return std::any_of(kReserved.begin(), kReserved.end(), [&](std::string_view r) { return same_name(r, name); });
}

bool is_mesh_name(std::string_view service) { return is_dns_label(service) && !is_reserved_name(service); }

std::string_view name_fault(std::string_view name) {
  if (name.empty()) return "is empty";
  if (name.size() > kServiceNameMax) return "is over 255 bytes";
  if (name == "*") return "is the wildcard *";
  if (name == "." || name == "..") return "is a step in a path";  // clients take it out of URLs
  if (!is_utf8(name)) return "is not UTF-8";
  if (std::any_of(name.begin(), name.end(), is_control)) return "holds a control character";
  if (name.find('/') != std::string_view::npos) return "holds a slash";
  return {};
}

std::string text_fault(std::string_view text, std::size_t bytes_max) {
  if (text.size() > bytes_max) return fmt::format("is over {} bytes", bytes_max);
  if (std::any_of(text.begin(), text.end(), is_control)) return "holds a control character";
  return {};
}

std::string fold_name(std::string_view name) {
  std::string folded(name);
  std::transform(folded.begin(), folded.end(), folded.begin(), lower);
  return folded;
}

bool same_name(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](char x, char y) { return lower(x) == lower(y); });
}

bool NameLess::operator()(std::string_view a, std::string_view b) const {
  return std::lexicographical_compare(a.begin(), a.end(), b.begin(), b.end(), [](char x, char y) {
    return static_cast<unsigned char>(lower(x)) < static_cast<unsigned char>(lower(y));
  });
}

}  // namespace mesh::model
