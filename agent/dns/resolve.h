// The records for a located name; the inside of answer(). Each handler writes records and says what it found.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "agent/dns/locate.h"
#include "agent/dns/settings.h"
#include "agent/dns/writer.h"
#include "agent/dns/zone.h"
#include "base/rng.h"

namespace mesh::dns {

inline constexpr unsigned kCnameChainMax = 4;

enum class Found : std::uint8_t {
  Records,
  Alias,   // a CNAME, beside which its owner may have nothing else (RFC 1034 section 3.6.2)
  NoData,
  NoName,
};

// One name being resolved. A CNAME that leads to another name of ours makes a second one with the same writer.
struct Lookup {
  const Question& question;
  const Location& location;
  const Zone& zone;
  const Settings& settings;
  Rng& rng;
  Writer& writer;
  Owner owner;             // of the records of this name
  unsigned cname_depth;
  bool& truncated;         // set when an answer did not fit

  [[nodiscard]] bool wants(Type type) const {
    return question.type == static_cast<std::uint16_t>(type) || question.type == static_cast<std::uint16_t>(Type::Any);
  }
  [[nodiscard]] const Name& domain() const { return location.domain != nullptr ? *location.domain : settings.domains[0]; }
};

[[nodiscard]] Found resolve(Lookup& lookup);

// Handlers, one per place. REQUIRES location.place says so.
[[nodiscard]] Found resolve_apex(Lookup& lookup);
[[nodiscard]] Found resolve_service(Lookup& lookup);
[[nodiscard]] Found resolve_node(Lookup& lookup);
[[nodiscard]] Found resolve_mesh(Lookup& lookup);
[[nodiscard]] Found resolve_address(Lookup& lookup);
[[nodiscard]] Found resolve_reverse(Lookup& lookup);

// A, AAAA and CNAME records for texts that are IP addresses or host names; duplicates count once, order is shuffled.
[[nodiscard]] Found add_hosts(Lookup& lookup, std::span<std::string_view> hosts, std::uint32_t ttl_s);
// TXT records "key=value" (RFC 1464); a key that starts with "rfc1035-" gives its value alone, as Consul's users know it.
[[nodiscard]] Found add_meta(Lookup& lookup, const Node& node, std::uint32_t ttl_s);

// NODE.node.DC.DOMAIN; the name of this agent if `node` is its own. Empty if `node` is no domain name.
[[nodiscard]] std::optional<Name> node_name(const Lookup& lookup, std::string_view node);
// HEX.addr.DC.DOMAIN.
[[nodiscard]] std::optional<Name> address_name(const Lookup& lookup, std::string_view address_bytes);

// The start of authority of the domain, for its SOA record and for negative answers (RFC 2308).
[[nodiscard]] Soa soa_of(const Lookup& lookup);

[[nodiscard]] std::uint32_t ttl_seconds(Duration ttl);

}  // namespace mesh::dns
