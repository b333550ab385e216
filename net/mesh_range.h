// The addresses of the mesh: 127.128.0.0/10, the same on every host, IPv4 only. Inside it the servers give out service
// addresses; 127.128.0.53 answers DNS.
#pragma once

#include <cstdint>

#include "net/address.h"

namespace mesh::net {

inline constexpr std::uint32_t kMeshNetwork = 0x7f800000;  // 127.128.0.0, host byte order
inline constexpr std::uint32_t kMeshNetmask = 0xffc00000;  // /10
inline constexpr IpAddress kMeshDnsAddress = IpAddress::v4(0x7f800035);  // 127.128.0.53

[[nodiscard]] inline bool is_mesh_address(const IpAddress& ip) {
  return ip.is_v4() && (ip.v4_value() & kMeshNetmask) == kMeshNetwork;
}

}  // namespace mesh::net
