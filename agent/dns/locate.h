// What a question's name means: the grammar of names under the domain. Pure; any thread.
//
//   NAME                          mesh address of a service        (NAME.virtual[.DC] is the same)
//   NAME.service[.DC]             instances of a service
//   TAG.NAME.service[.DC]         those with a tag (a tag may have dots)
//   _NAME._TAG.service[.DC]       the same by RFC 2782; _tcp and _udp mean every tag; ".service" may be left out
//   NODE.node[.DC]                a node (its name may have dots)
//   HEX.addr[.DC]                 the address that 8 or 32 hexadecimal digits spell
//   x.y.z.w.in-addr.arpa, ...ip6.arpa   reverse names
//
// DC may also be written "DC.dc". To add a form, start at locate() in locate.cc.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "agent/dns/message.h"
#include "agent/dns/settings.h"

namespace mesh::dns {

enum class Place : std::uint8_t {
  Outside,          // in no domain of ours
  Apex,             // the domain itself
  Structure,        // exists only because names exist below it ("service.mesh"): never NXDOMAIN (RFC 8020)
  Nowhere,          // inside the domain, no such form
  OtherDatacenter,  // a form with the name of a datacenter that we do not know
  Service,
  Node,
  Mesh,
  Address,
  Reverse,
};

struct Location {
  Place place = Place::Outside;
  const Name* domain = nullptr;  // the one of `settings` that holds the name; null for Outside and Reverse
  std::string name;              // Service, Node, Mesh: as asked
  std::string tag;               // Service: empty for all
  std::string address;           // Address, Reverse: 4 or 16 bytes
};

[[nodiscard]] Location locate(const Name& name, const Settings& settings);

// The bytes of IP text (4 or 16), or empty if it is none.
[[nodiscard]] std::string ip_bytes(std::string_view text);
// The usual text of 4 or 16 bytes. REQUIRES one of these sizes.
[[nodiscard]] std::string ip_text(std::string_view bytes);

}  // namespace mesh::dns
