// Where a check connects to, read from its definition and from the redirects it is sent. Pure; any thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"
#include "net/url.h"

namespace mesh::agent {

struct HostPort {
  std::string host;  // a name or a literal address, without brackets
  std::uint16_t port = 0;
};

// "host:80", "10.0.0.1:80" or "[fd00::1]:80"; the port is required and not 0. Invalid says what is wrong.
[[nodiscard]] Result<HostPort> parse_host_port(std::string_view text);

// The URL that a Location header means when `from` has answered with it (RFC 3986 section 5.2; a fragment is dropped).
// Unsupported for https, which checks do not speak yet; Invalid for what is no http URL.
[[nodiscard]] Result<net::HttpUrl> redirect_target(const net::HttpUrl& from, std::string_view location);

// HttpUrl::parse, with Unsupported and a text for people if the scheme is https.
[[nodiscard]] Result<net::HttpUrl> parse_check_url(std::string_view text);

}  // namespace mesh::agent
