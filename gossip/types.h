// Vocabulary of gossip/. Values; any thread.
//
// Glossary: member = a node in the pool; incarnation = a member's own version number of what is said of it; rumor = one
// statement about a member that is passed on; accuser = who says that a member does not answer; pool = the members of one
// cluster in one datacenter.
#pragma once

#include <compare>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/message.h"
#include "base/strong.h"
#include "base/uuid.h"

namespace mesh::gossip {

using NodeId = Uuid;

struct IncarnationTag;
using Incarnation = Strong<IncarnationTag>;
inline constexpr Incarnation kIncarnationMax{(std::uint64_t{1} << 62) - 1};

// Where a member receives gossip. `ip` has 4 or 16 bytes in network order. Drivers convert from and to net::Address.
struct PeerAddress {
  Bytes ip;
  std::uint16_t port = 0;
  friend auto operator<=>(const PeerAddress&, const PeerAddress&) = default;

  [[nodiscard]] bool valid() const { return (ip.size() == 4 || ip.size() == 16) && port != 0; }
  [[nodiscard]] std::string to_string() const;  // for people
};

// In ascending rank: of two statements with one incarnation the higher state holds.
#define MESH_MEMBER_STATES(E) E(0, Alive, "alive") E(1, Suspect, "suspect") E(2, Failed, "failed") E(3, Left, "left")
MESH_ENUM(MemberState, std::uint8_t, MESH_MEMBER_STATES)

[[nodiscard]] constexpr bool gone(MemberState state) { return state == MemberState::Failed || state == MemberState::Left; }

#define MESH_MEMBER_ROLES(E) E(0, Agent, "agent") E(1, Server, "server")
MESH_ENUM(MemberRole, std::uint8_t, MESH_MEMBER_ROLES)

// What a member says of itself. Encoded at most kAttributesBytesMax.
#define MESH_ATTRIBUTES_FIELDS(F)                                              \
  F(1, std::string, name, "Name", "of the node")                               \
  F(2, MemberRole, role, "Role", "")                                           \
  F(3, std::string, version, "Version", "of meshd")                            \
  F(4, std::uint16_t, rpc_port, "RpcPort", "servers; 0: none")                 \
  F(5, std::uint16_t, mesh_port, "MeshPort", "0: takes no mesh traffic")       \
  F(6, std::uint32_t, protocol, "Protocol", "newest protocol of our own it speaks") \
  F(7, MapOf<std::string>, tags, "Tags", "free pairs")
struct Attributes {
  MESH_MESSAGE(Attributes, MESH_ATTRIBUTES_FIELDS)
};
inline constexpr std::size_t kAttributesBytesMax = 512;

}  // namespace mesh::gossip
