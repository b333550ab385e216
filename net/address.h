// Where a socket is. IpAddress: an IPv4 or IPv6 address. Address: that and a port. Endpoint: an Address or the path of
// a unix socket. Plain values: any thread, compared and hashed by content, ordered IPv4 before IPv6, then by number.
//
// One address has one form: an IPv4-mapped IPv6 address (::ffff:a.b.c.d) becomes the IPv4 address wherever it enters.
// Zone ids (fe80::1%eth0) are refused: a mesh address must mean the same on every host.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <variant>

#include "base/result.h"

namespace mesh::net {

class IpAddress {
 public:
  constexpr IpAddress() = default;  // 0.0.0.0

  static constexpr IpAddress v4(std::uint32_t host_order) {
    IpAddress ip;
    ip.bytes_ = {static_cast<std::uint8_t>(host_order >> 24), static_cast<std::uint8_t>(host_order >> 16),
                 static_cast<std::uint8_t>(host_order >> 8), static_cast<std::uint8_t>(host_order)};
    return ip;
  }
  static IpAddress v6(const std::array<std::uint8_t, 16>& network_order);
  static constexpr IpAddress loopback() { return v4(0x7f000001); }

  // "10.0.0.1" or "fd00::1", no brackets. Error Invalid names the text. Octets with a leading zero are refused.
  static Result<IpAddress> parse(std::string_view text);
  [[nodiscard]] std::string to_string() const;  // IPv6 as RFC 5952 wants it

  [[nodiscard]] bool is_v4() const { return !v6_; }
  [[nodiscard]] bool is_v6() const { return v6_; }
  [[nodiscard]] bool is_loopback() const;  // 127.0.0.0/8, ::1
  [[nodiscard]] bool is_any() const;       // 0.0.0.0, ::
  [[nodiscard]] bool is_multicast() const;
  // REQUIRES is_v4(). Host byte order.
  [[nodiscard]] std::uint32_t v4_value() const;
  // Network order; for IPv4 the first four count and the others are zero.
  [[nodiscard]] const std::array<std::uint8_t, 16>& bytes() const { return bytes_; }

  friend auto operator<=>(const IpAddress&, const IpAddress&) = default;

 private:
  bool v6_ = false;
  std::array<std::uint8_t, 16> bytes_{};
};

struct Address {
  IpAddress ip;
  std::uint16_t port = 0;

  // "10.0.0.1:80" or "[fd00::1]:80"; the port is required. Error Invalid says which part is wrong.
  static Result<Address> parse(std::string_view text);
  [[nodiscard]] std::string to_string() const;

  friend auto operator<=>(const Address&, const Address&) = default;
};

struct UnixPath {
  std::string path;  // 1 to kUnixPathBytesMax bytes, no NUL
  friend auto operator<=>(const UnixPath&, const UnixPath&) = default;
};
inline constexpr std::size_t kUnixPathBytesMax = 107;  // sun_path without its NUL

class Endpoint {
 public:
  Endpoint() = default;                                                  // 0.0.0.0:0
  Endpoint(Address address) : where_(address) {}                         // NOLINT: implicit on purpose
  Endpoint(UnixPath path) : where_(std::move(path)) {}                   // NOLINT
  Endpoint(IpAddress ip, std::uint16_t port) : where_(Address{ip, port}) {}

  // An Address as above, or "unix:/absolute/path".
  static Result<Endpoint> parse(std::string_view text);
  [[nodiscard]] std::string to_string() const;  // what parse() reads

  [[nodiscard]] bool is_unix() const { return std::holds_alternative<UnixPath>(where_); }
  // REQUIRES !is_unix().
  [[nodiscard]] const Address& address() const { return std::get<Address>(where_); }
  // REQUIRES is_unix().
  [[nodiscard]] const std::string& unix_path() const { return std::get<UnixPath>(where_).path; }

  friend auto operator<=>(const Endpoint&, const Endpoint&) = default;

 private:
  std::variant<Address, UnixPath> where_;
};

// A decimal port, 0 to 65535, digits only. Error Invalid.
[[nodiscard]] Result<std::uint16_t> parse_port(std::string_view text);

}  // namespace mesh::net

template <>
struct std::hash<mesh::net::IpAddress> {
  std::size_t operator()(const mesh::net::IpAddress& ip) const noexcept;
};
template <>
struct std::hash<mesh::net::Address> {
  std::size_t operator()(const mesh::net::Address& address) const noexcept;
};
