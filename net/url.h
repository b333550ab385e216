// Parts of request targets and of http URLs. Any thread; values only.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace mesh::net {

// %XX decoded; Invalid for a truncated or non-hex escape. '+' stays (paths).
[[nodiscard]] Result<std::string> percent_decode(std::string_view text);
// Everything but the unreserved characters of RFC 3986 is escaped; '/' is kept if keep_slash.
enum class Slash { Keep, Escape };
[[nodiscard]] std::string percent_encode(std::string_view text, Slash slash);

// "a=1&b&a=2" in order, decoded, '+' as space; a parameter without '=' has an empty value.
inline constexpr std::size_t kQueryParametersMax = 256;
class QueryParameters {
 public:
  static Result<QueryParameters> parse(std::string_view query);
  [[nodiscard]] bool has(std::string_view name) const { return get(name).has_value(); }
  [[nodiscard]] std::optional<std::string_view> get(std::string_view name) const;  // the first
  [[nodiscard]] std::vector<std::string_view> all(std::string_view name) const;
  [[nodiscard]] const std::vector<std::pair<std::string, std::string>>& items() const { return items_; }

 private:
  std::vector<std::pair<std::string, std::string>> items_;
};

// "http://HOST[:PORT][/PATH][?QUERY]"; only the scheme http so far, no user part.
struct HttpUrl {
  std::string host;  // without brackets
  std::uint16_t port = 80;
  std::string target = "/";
  [[nodiscard]] std::string host_header() const;
  static Result<HttpUrl> parse(std::string_view text);
};

}  // namespace mesh::net
