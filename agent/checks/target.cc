#include "agent/checks/target.h"

#include <fmt/core.h>

#include <algorithm>
#include <vector>

#include "net/address.h"
#include "net/http1/message.h"

namespace mesh::agent {
namespace {

constexpr std::size_t kShownBytesMax = 128;

bool has_scheme(std::string_view text, std::string_view scheme) {
  return text.size() > scheme.size() && net::equals_ignore_case(text.substr(0, scheme.size()), scheme);
}

// RFC 3986 section 5.2.4, for a path that starts with '/'.
std::string without_dot_segments(std::string_view path) {
  std::vector<std::string_view> kept;
  bool folder = false;  // the last segment was a dot segment: the result ends in '/'
  for (std::size_t at = 0; at < path.size();) {
    const std::size_t end = std::min(path.find('/', at + 1), path.size());
    const std::string_view segment = path.substr(at + 1, end - at - 1);
    folder = segment == "." || segment == "..";
    if (!folder) kept.push_back(segment);
    if (segment == ".." && !kept.empty()) kept.pop_back();
    at = end;
  }
  std::string out;
  for (const std::string_view segment : kept) out.append("/").append(segment);
  return folder || out.empty() ? out + "/" : out;
}

// The target of a relative reference: a path, or only a query.
std::string merge(std::string_view from_target, std::string_view reference) {
  const std::string_view from_path = from_target.substr(0, from_target.find('?'));
  if (reference.empty()) return std::string(from_target);
  if (reference.front() == '?') return fmt::format("{}{}", from_path, reference);
  const std::size_t path_end = std::min(reference.find('?'), reference.size());
  std::string path(reference.substr(0, path_end));
  if (path.front() != '/') path.insert(0, from_path.substr(0, from_path.rfind('/') + 1));
  return without_dot_segments(path).append(reference.substr(path_end));
}

}  // namespace

Result<HostPort> parse_host_port(std::string_view text) {
  const auto bad = [text](std::string_view why) {
    return error(Code::Invalid, "\"{}\" {}", text.substr(0, kShownBytesMax), why);
  };
  const std::size_t colon = text.rfind(':');
  if (colon == text.npos) return bad("has no port: write host:port");
  std::string_view host = text.substr(0, colon);
  if (host.starts_with('[') && host.ends_with(']')) {
    host = host.substr(1, host.size() - 2);
    if (auto ip = net::IpAddress::parse(host); !ip.ok()) return std::move(ip).error();
  } else if (host.find(':') != host.npos) {
    return bad("has more than one colon: write [address]:port for IPv6");
  }
  if (host.empty()) return bad("has no host");
  MESH_TRY(port, net::parse_port(text.substr(colon + 1)));
  if (port == 0) return bad("has port 0, to which nothing connects");
  return HostPort{std::string(host), port};
}

Result<net::HttpUrl> parse_check_url(std::string_view text) {
  if (has_scheme(text, "https:"))
    return error(Code::Unsupported, "checks of https URLs are not offered yet; check a http URL, or by tcp or ttl");
  return net::HttpUrl::parse(text);
}

Result<net::HttpUrl> redirect_target(const net::HttpUrl& from, std::string_view location) {
  constexpr std::string_view kScheme = "http:";
  location = location.substr(0, location.find('#'));
  if (has_scheme(location, kScheme))
    return parse_check_url(fmt::format("{}{}", kScheme, location.substr(kScheme.size())));
  const std::size_t colon = location.find(':');
  if (colon < location.find_first_of("/?")) return parse_check_url(location);  // another scheme
  if (location.starts_with("//")) return parse_check_url(fmt::format("{}{}", kScheme, location));
  return parse_check_url(fmt::format("http://{}{}", from.host_header(), merge(from.target, location)));
}

}  // namespace mesh::agent
