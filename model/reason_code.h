// Why a connection of the data plane was refused or ended: one stable list, shared by the status record between agents,
// logs, metrics and `meshctl explain`. docs/reason-codes.md says what each means and what to try. Plain values; any thread.
//
// To add one: a line here and its row there. Numbers are on the wire and are never used again.
#pragma once

#include <cstdint>

#include "base/message.h"

namespace mesh::model {

#define MESH_REASON_CODE_VALUES(E)                                                                           \
  E(0, Connected, "CONNECTED")                                                                               \
  E(1, ResetBySource, "RESET_BY_SOURCE")                                                                     \
  E(2, ResetByDestination, "RESET_BY_DESTINATION")                                                           \
  E(3, IdleTimeout, "IDLE_TIMEOUT")                                                                          \
  E(4, Draining, "DRAINING")                                                                                 \
  E(10, NoRoute, "NO_ROUTE")                                                                                 \
  E(11, NoHealthyInstance, "NO_HEALTHY_INSTANCE")                                                            \
  E(12, InstanceUnknown, "INSTANCE_UNKNOWN")                                                                 \
  E(13, PortUnknown, "PORT_UNKNOWN")                                                                         \
  E(20, DeniedByIntention, "DENIED_BY_INTENTION")                                                            \
  E(21, DeniedByDefault, "DENIED_BY_DEFAULT")                                                                \
  E(22, CallerNotAllowed, "CALLER_NOT_ALLOWED")                                                              \
  E(23, NoIdentity, "NO_IDENTITY")                                                                           \
  E(24, NoLongerAllowed, "NO_LONGER_ALLOWED")                                                                \
  E(25, PeerNoLongerTrusted, "PEER_NO_LONGER_TRUSTED")                                                       \
  E(26, InstanceReplaced, "INSTANCE_REPLACED")                                                               \
  E(27, CallerAmbiguous, "CALLER_AMBIGUOUS")                                                                 \
  E(30, ConnectRefused, "CONNECT_REFUSED")                                                                   \
  E(31, ConnectTimeout, "CONNECT_TIMEOUT")                                                                   \
  E(32, HostUnreachable, "HOST_UNREACHABLE")                                                                 \
  E(33, HostTimeout, "HOST_TIMEOUT")                                                                         \
  E(40, HandshakeFailed, "HANDSHAKE_FAILED")                                                                 \
  E(41, PeerUntrusted, "PEER_UNTRUSTED")                                                                     \
  E(42, ProtocolError, "PROTOCOL_ERROR")                                                                     \
  E(43, PrefaceTimeout, "PREFACE_TIMEOUT")                                                                   \
  E(50, Overloaded, "OVERLOADED")                                                                            \
  E(60, Internal, "INTERNAL")
MESH_ENUM(ReasonCode, std::uint8_t, MESH_REASON_CODE_VALUES)

// A number from a peer; one that this release does not know is Internal.
[[nodiscard]] ReasonCode reason_code_of(std::uint32_t number);

}  // namespace mesh::model
