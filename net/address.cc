#include "net/address.h"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>
#include <cstring>

namespace mesh::net {

namespace {

constexpr std::size_t kIpTextBytesMax = 45;  // the longest IPv6 text, with an IPv4 tail
constexpr std::array<std::uint8_t, 12> kMappedPrefix = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

constexpr std::string_view kUnixScheme = "unix:";

Error bad(std::string_view text, std::string_view why) {
  // A peer may have sized the text: quote what a person can read.
  return error(Code::Invalid, "\"{}\" {}", text.substr(0, 128), why);
}

}  // namespace

IpAddress IpAddress::v6(const std::array<std::uint8_t, 16>& network_order) {
  IpAddress ip;
  if (std::equal(kMappedPrefix.begin(), kMappedPrefix.end(), network_order.begin())) {
    std::copy(network_order.begin() + 12, network_order.end(), ip.bytes_.begin());
    return ip;
  }
  ip.v6_ = true;
  ip.bytes_ = network_order;
  return ip;
}

Result<IpAddress> IpAddress::parse(std::string_view text) {
  if (text.empty() || text.size() > kIpTextBytesMax || text.find('\0') != text.npos)
    return bad(text, "is not an IP address");
  char buffer[kIpTextBytesMax + 1] = {};
  std::memcpy(buffer, text.data(), text.size());
  std::array<std::uint8_t, 16> bytes{};
  if (text.find(':') == text.npos) {
    if (inet_pton(AF_INET, buffer, bytes.data()) != 1) return bad(text, "is not an IPv4 address such as 10.0.0.1");
    IpAddress ip;
    ip.bytes_ = bytes;
    return ip;
  }
  if (text.find('%') != text.npos) return bad(text, "has a zone id, which is not supported");
  if (inet_pton(AF_INET6, buffer, bytes.data()) != 1) return bad(text, "is not an IPv6 address such as fd00::1");
  return v6(bytes);
}

std::string IpAddress::to_string() const {
  char buffer[INET6_ADDRSTRLEN] = {};
  inet_ntop(v6_ ? AF_INET6 : AF_INET, bytes_.data(), buffer, sizeof buffer);
  return buffer;
}

bool IpAddress::is_loopback() const {
  if (!v6_) return bytes_[0] == 127;
  return std::all_of(bytes_.begin(), bytes_.end() - 1, [](std::uint8_t b) { return b == 0; }) && bytes_[15] == 1;
}

bool IpAddress::is_any() const {
  return std::all_of(bytes_.begin(), bytes_.end(), [](std::uint8_t b) { return b == 0; });
}

bool IpAddress::is_multicast() const { return v6_ ? bytes_[0] == 0xff : (bytes_[0] & 0xf0) == 0xe0; }

std::uint32_t IpAddress::v4_value() const {
  CHECK(!v6_, "v4_value of {}", to_string());
  return (std::uint32_t{bytes_[0]} << 24) | (std::uint32_t{bytes_[1]} << 16) | (std::uint32_t{bytes_[2]} << 8) |
         std::uint32_t{bytes_[3]};
}

Result<std::uint16_t> parse_port(std::string_view text) {
  std::uint16_t port = 0;
  const char* end = text.data() + text.size();
  auto [stop, failure] = std::from_chars(text.data(), end, port);
  if (text.empty() || failure != std::errc{} || stop != end) return bad(text, "is not a port (0 to 65535)");
  return port;
}

Result<Address> Address::parse(std::string_view text) {
  std::string_view host;
  std::string_view port;
  if (text.starts_with('[')) {
    const auto close = text.find(']');
    if (close == text.npos || close + 1 >= text.size() || text[close + 1] != ':')
      return bad(text, "is not [IPv6 address]:port");
    host = text.substr(1, close - 1);
    port = text.substr(close + 2);
    if (host.find(':') == host.npos) return bad(text, "has brackets around something that is not an IPv6 address");
  } else {
    const auto colon = text.find(':');
    if (colon == text.npos) return bad(text, "has no port; write ADDRESS:PORT");
    if (text.find(':', colon + 1) != text.npos) return bad(text, "needs brackets: write [IPv6 address]:port");
    host = text.substr(0, colon);
    port = text.substr(colon + 1);
  }
  MESH_TRY(ip, IpAddress::parse(host));
  MESH_TRY(number, parse_port(port));
  return Address{ip, number};
}

std::string Address::to_string() const {
  return ip.is_v6() ? fmt::format("[{}]:{}", ip.to_string(), port) : fmt::format("{}:{}", ip.to_string(), port);
}

Result<Endpoint> Endpoint::parse(std::string_view text) {
  if (!text.starts_with(kUnixScheme)) {
    MESH_TRY(address, Address::parse(text));
    return Endpoint(address);
  }
  const std::string_view path = text.substr(kUnixScheme.size());
  if (!path.starts_with('/')) return bad(text, "is not unix:/absolute/path");
  if (path.size() > kUnixPathBytesMax) return bad(text, "is too long for a unix socket (107 bytes)");
  if (path.find('\0') != path.npos) return bad(text, "has a NUL byte");
  return Endpoint(UnixPath{std::string(path)});
}

std::string Endpoint::to_string() const {
  return is_unix() ? std::string(kUnixScheme) + unix_path() : address().to_string();
}

}  // namespace mesh::net

std::size_t std::hash<mesh::net::IpAddress>::operator()(const mesh::net::IpAddress& ip) const noexcept {
  const auto& bytes = ip.bytes();
  const std::string_view view(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  return std::hash<std::string_view>{}(view) ^ static_cast<std::size_t>(ip.is_v6());
}

std::size_t std::hash<mesh::net::Address>::operator()(const mesh::net::Address& address) const noexcept {
  return std::hash<mesh::net::IpAddress>{}(address.ip) * 31 + address.port;
}
