// Rules of names. Names keep their case and are compared without it (ASCII only, as DNS does, RFC 4343). Pure
// functions; any thread.
#pragma once

#include <string>
#include <string_view>

namespace mesh::model {

inline constexpr std::size_t kDnsLabelMax = 63;      // RFC 1035 section 2.3.4
inline constexpr std::size_t kDnsNameMax = 253;      // as text, without the last dot
inline constexpr std::size_t kServiceNameMax = 255;  // bytes, names that are no DNS label included

// Letters, digits and hyphens, neither first nor last a hyphen, at most 63: usable in DNS and as a mesh name.
[[nodiscard]] bool is_dns_label(std::string_view name);
// One or more such labels with dots between them, at most 253 letters.
[[nodiscard]] bool is_dns_name(std::string_view name);
// Labels that the DNS tree uses itself: service node query addr virtual connect ingress.
[[nodiscard]] bool is_reserved_name(std::string_view name);
// Whether a service of this name gets DNS answers and a mesh address; others live in the catalog only.
[[nodiscard]] bool is_mesh_name(std::string_view service);

// What is wrong with it as a service or node name at all, as the end of a sentence ("is empty", "holds a slash"); empty:
// nothing. Refused: empty, too long, not UTF-8, control characters, slash, "*", "." and "..".
[[nodiscard]] std::string_view name_fault(std::string_view name);

// The same for other text of one line, which may be empty ("is over 255 bytes", "holds a control character").
[[nodiscard]] std::string text_fault(std::string_view text, std::size_t bytes_max);

// ASCII letters lowered; the form used in keys.
[[nodiscard]] std::string fold_name(std::string_view name);
[[nodiscard]] bool same_name(std::string_view a, std::string_view b);

// Order of folded names, for maps that are looked up by text of any case.
struct NameLess {
  using is_transparent = void;
  [[nodiscard]] bool operator()(std::string_view a, std::string_view b) const;
};

}  // namespace mesh::model
