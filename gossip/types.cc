#include "gossip/types.h"

#include <fmt/core.h>

#include "gossip/member.h"

namespace mesh::gossip {

MESH_ENUM_TABLE(MemberState, MESH_MEMBER_STATES)
MESH_ENUM_TABLE(MemberRole, MESH_MEMBER_ROLES)
MESH_MESSAGE_TABLE(Attributes, MESH_ATTRIBUTES_FIELDS)

std::string PeerAddress::to_string() const {
  const auto byte = [this](std::size_t i) { return static_cast<unsigned>(static_cast<unsigned char>(ip[i])); };
  if (ip.size() == 4) return fmt::format("{}.{}.{}.{}:{}", byte(0), byte(1), byte(2), byte(3), port);
  std::string out = "[";
  for (std::size_t i = 0; i + 1 < ip.size(); i += 2) {
    out += fmt::format("{}{:x}", i == 0 ? "" : ":", byte(i) << 8 | byte(i + 1));
  }
  return out + fmt::format("]:{}", port);
}

std::string_view event_name(MemberEventKind kind) {
  switch (kind) {
    case MemberEventKind::Joined: return "joined";
    case MemberEventKind::Left: return "left";
    case MemberEventKind::Failed: return "failed";
    case MemberEventKind::Recovered: return "recovered";
    case MemberEventKind::Changed: return "changed";
    case MemberEventKind::Forgotten: return "forgotten";
  }
  return "unknown";
}

}  // namespace mesh::gossip
