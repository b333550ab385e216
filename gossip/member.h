// What the rest of the program learns of the pool: the members and what happens to them. The leader of the servers makes
// node health of it (check `serfHealth`): alive and suspect are passing, failed is critical, left is deregistered.
// Values; any thread.
#pragma once

#include <cstdint>

#include "base/time.h"
#include "gossip/types.h"

namespace mesh::gossip {

struct MemberView {
  NodeId id;
  MemberState state = MemberState::Alive;
  Incarnation incarnation;
  PeerAddress address;
  Attributes attributes;
  MonoTime changed;  // when `state` was last changed here
  friend bool operator==(const MemberView&, const MemberView&) = default;
};

// Suspicions are not told: most are refuted. One member's events come in the order in which they happened.
enum class MemberEventKind : std::uint8_t {
  Joined,     // a member that was not known, or had left
  Left,       // said itself that it goes
  Failed,     // does not answer, by the pool's judgement
  Recovered,  // alive again after Failed
  Changed,    // another address or other attributes
  Forgotten,  // failed or left long ago; its row may go
};
[[nodiscard]] std::string_view event_name(MemberEventKind kind);

struct MemberEvent {
  MemberEventKind kind = MemberEventKind::Joined;
  MemberView member;  // as it is now
};

}  // namespace mesh::gossip
