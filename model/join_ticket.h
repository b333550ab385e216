// JoinTicket: what one join token carries, and its text form. docs/formats/join-token.md is the specification.
//
// The text is a secret: it lets a host into the cluster. It is shown once, to whoever made it. Plain value; any thread.
#pragma once

#include <string>
#include <string_view>

#include "base/message.h"
#include "model/token.h"

namespace mesh::model {

inline constexpr std::string_view kJoinTicketPrefix = "mesh1.";
inline constexpr std::size_t kJoinTicketTextMax = 4096;  // bytes
inline constexpr std::size_t kJoinTicketServersMax = 16;
inline constexpr std::size_t kJoinSecretBytes = 32;

#define MESH_JOIN_TICKET_FIELDS(F)                                                                     \
  F(1, std::string, cluster_id, "ClusterID", "UUID")                                                   \
  F(2, std::string, datacenter, "Datacenter", "")                                                      \
  F(3, std::string, domain, "Domain", "last part of the trust domain")                                 \
  F(4, JoinKind, kind, "Kind", "what the host becomes")                                                \
  F(5, ListOf<std::string>, servers, "Servers", "ADDRESS:PORT of their RPC, at least one")             \
  F(6, Bytes, ca_key_hash, "CaKeyHash", "SHA-256 of the root's public key (SPKI)", kBytes)             \
  F(7, std::string, token_id, "TokenID", "public part")                                                \
  F(8, Bytes, secret, "Secret", "32 bytes", kBytes | kHidden)
struct JoinTicket {
  MESH_MESSAGE(JoinTicket, MESH_JOIN_TICKET_FIELDS)

  [[nodiscard]] std::string text() const;
  // White space around the text is ignored. Errors name what is wrong and never quote the text: Invalid (no join token, cut
  // short, damaged, a part that makes no sense), Unsupported (of a later release).
  [[nodiscard]] static Result<JoinTicket> parse(std::string_view text);
};

}  // namespace mesh::model
