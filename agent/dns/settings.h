// What the operator decides about DNS (key `dns:` of the configuration, see docs/limits.md for the bounds). A value,
// replaced as a whole by a reload: any thread may read a shared const one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "agent/dns/name.h"
#include "base/time.h"

namespace mesh::dns {

// Largest UDP answer for a client that announces a larger buffer. Over a network 1232 bytes avoid fragments
// (RFC 9715); loopback carries packets of 64 KiB, and programs there (HAProxy asks for 8192) get what they ask for.
inline constexpr std::size_t kUdpPayloadMax = 1232;
inline constexpr std::size_t kUdpPayloadLoopbackMax = 8192;

struct Settings {
  std::vector<Name> domains;         // the main one first, then alternatives; REQUIRES at least one, none the root
  std::string datacenter = "dc1";
  std::string node;                  // this agent's node name: the NS of the domain
  Duration node_ttl{0};
  Duration service_ttl{0};           // also of mesh addresses
  std::map<std::string, Duration, std::less<>> service_ttls;  // by service in lower case, or "prefix*"; wins over service_ttl
  bool only_passing = false;         // leave out instances in warning state as well
  std::size_t a_record_limit = 0;    // addresses per answer; 0: as many as fit
  std::size_t udp_payload_max = kUdpPayloadMax;
  std::size_t udp_payload_loopback_max = kUdpPayloadLoopbackMax;
  bool recursion = false;            // there are recursors for names outside of the domains
  Duration soa_refresh{seconds{3600}};
  Duration soa_retry{seconds{600}};
  Duration soa_expire{seconds{86400}};
  // Zero: a name that was asked for a moment too early is not remembered as missing by resolvers on the way.
  Duration negative_ttl{0};

  [[nodiscard]] Duration ttl_of(std::string_view service) const;
};

}  // namespace mesh::dns
