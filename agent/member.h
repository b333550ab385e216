// The members of the gossip pool as this agent shows them. Immutable values; any thread.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace mesh::agent {

// As Consul's API numbers them.
enum class MemberStatus : std::uint8_t { Alive = 1, Left = 3, Failed = 4 };

struct Member {
  std::string node_id;  // UUID
  std::string name;
  std::string address;     // where it gossips
  std::uint16_t port = 0;
  MemberStatus status = MemberStatus::Alive;
  bool server = false;
  std::string version;  // of its meshd
};
using MembersPtr = std::shared_ptr<const std::vector<Member>>;

}  // namespace mesh::agent
