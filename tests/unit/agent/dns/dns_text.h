// Queries from words and replies to words, so that DNS tests read as tables.
#pragma once

#include <string>
#include <string_view>

#include "agent/dns/message.h"

namespace mesh::dns {

struct QueryWords {
  std::string_view name;
  std::string_view type = "A";   // a mnemonic or a number
  std::uint16_t id = 0x1234;
  std::uint16_t flags = 0x0100;  // RD
  std::uint16_t klass = kClassIn;
  int edns_size = -1;            // below zero: no OPT
  std::uint8_t edns_version = 0;
};

[[nodiscard]] Bytes make_query(const QueryWords& words);

// "NOERROR aa | web.service.mesh. 0 A 10.0.0.1 | ..." : the rcode, flags (aa tc ra rd cd) and sections; the records
// of a section are sorted; "-" is an empty section; OPT shows as "opt:SIZE". Malformed replies give "malformed: WHY".
[[nodiscard]] std::string describe_reply(ByteView reply);

}  // namespace mesh::dns
