// What the agent and meshd-steer say to each other (docs/formats/steer.md). Pure: bytes in, values out; any thread.
#pragma once

#include <cstdint>
#include <optional>

#include "base/bytes.h"
#include "base/message.h"
#include "base/result.h"

namespace mesh::steer {

inline constexpr std::uint8_t kVersion = 1;
inline constexpr std::uint32_t kListenersMax = 64;
inline constexpr std::size_t kDescriptorsMax = kListenersMax + 2;
inline constexpr std::size_t kHandOverBytesMax = 256;
inline constexpr std::size_t kAnswerBytesMax = 4096;
inline constexpr std::size_t kFrameHeadBytes = 4;

#define MESH_STEER_MODE_VALUES(V) \
  V(0, None, "none")              \
  V(1, SkLookup, "sk_lookup")     \
  V(2, Nftables, "nftables")
MESH_ENUM(Mode, std::uint8_t, MESH_STEER_MODE_VALUES)

#define MESH_STEER_FAULT_VALUES(V)           \
  V(0, None, "ok")                           \
  V(1, BadRequest, "bad request")            \
  V(2, BadSocket, "bad socket")              \
  V(3, NoPermission, "no permission")        \
  V(4, KernelTooOld, "kernel too old")       \
  V(5, NoBpffs, "no bpf file system")        \
  V(6, OtherNamespace, "other namespace")    \
  V(7, Failed, "failed")
MESH_ENUM(Fault, std::uint8_t, MESH_STEER_FAULT_VALUES)

#define MESH_STEER_HAND_OVER_FIELDS(F)                                              \
  F(1, std::uint32_t, listeners, "Listeners", "mesh listeners that come with this") \
  F(2, bool, dns_udp, "DnsUdp", "a UDP socket for DNS comes after them")            \
  F(3, bool, dns_tcp, "DnsTcp", "a listening socket for DNS comes last")
struct HandOver {
  MESH_MESSAGE(HandOver, MESH_STEER_HAND_OVER_FIELDS)

  [[nodiscard]] std::size_t descriptors() const { return listeners + std::size_t{dns_udp} + std::size_t{dns_tcp}; }
};

#define MESH_STEER_ANSWER_FIELDS(F)                                                         \
  F(1, Mode, mode, "Mode", "how mesh addresses are steered now")                            \
  F(2, Fault, fault, "Fault", "what kept it from the hand-over, or from mode sk_lookup")    \
  F(3, std::string, message, "Message", "what is in force or what went wrong")              \
  F(4, std::string, hint, "Hint", "what to try; empty if nothing")                          \
  F(5, std::uint32_t, listeners, "Listeners", "mesh listeners that are steered to")         \
  F(6, bool, dns_udp, "DnsUdp", "DNS over UDP is steered")                                  \
  F(7, bool, dns_tcp, "DnsTcp", "DNS over TCP is steered")                                  \
  F(8, bool, dns_answers, "DnsAnswers", "the socket for answers over UDP comes with this")  \
  F(9, std::string, version, "Version", "of the helper")
struct Answer {
  MESH_MESSAGE(Answer, MESH_STEER_ANSWER_FIELDS)
};

[[nodiscard]] Bytes frame_of(const HandOver& message);
// Texts are cut so that the frame keeps its limit.
[[nodiscard]] Bytes frame_of(Answer message);

// Takes the first frame off `input` once it is whole; nothing while bytes are missing. An error (other version, other
// kind, too long, not readable, more listeners than allowed) is final: the connection ends.
[[nodiscard]] Result<std::optional<HandOver>> take_hand_over(Bytes& input);
[[nodiscard]] Result<std::optional<Answer>> take_answer(Bytes& input);

}  // namespace mesh::steer
