// Tokens, as servers hold them: the secret's hash only, which no JSON shows. Plain values; any thread.
#pragma once

#include "base/message.h"
#include "model/row.h"

namespace mesh::model {

#define MESH_JOIN_KIND_VALUES(E) E(0, Agent, "agent") E(1, Server, "server")
MESH_ENUM(JoinKind, std::uint8_t, MESH_JOIN_KIND_VALUES)

// Lets a host join. A use is taken by the command that admits the host.
#define MESH_JOIN_TOKEN_FIELDS(F)                                                                            \
  F(1, std::string, id, "ID", "public part of the token")                                                    \
  F(2, Bytes, secret_hash, "SecretHash", "SHA-256", kBytes | kHidden)                                        \
  F(3, JoinKind, kind, "Kind", "")                                                                           \
  F(4, ListOf<std::string>, services, "Services", "name patterns that the host may run; * as the last letter") \
  F(5, std::uint32_t, uses_left, "UsesLeft", "0: used up")                                                   \
  F(6, WallTime, expires_at, "ExpiresAt", "by command time")                                                 \
  F(7, std::string, description, "Description", "for people", kOmitEmpty)                                    \
  F(8, WallTime, created_at, "CreatedAt", "time of the leader", kOutput)                                     \
  MESH_ROW_FIELDS(F)
struct JoinToken {
  MESH_MESSAGE(JoinToken, MESH_JOIN_TOKEN_FIELDS)
};

// May do everything.
#define MESH_MANAGEMENT_TOKEN_FIELDS(F)                                                                      \
  F(1, std::string, id, "AccessorID", "UUID, public")                                                        \
  F(2, Bytes, secret_hash, "SecretHash", "SHA-256", kBytes | kHidden)                                        \
  F(3, std::string, description, "Description", "for people", kOmitEmpty)                                    \
  F(4, WallTime, created_at, "CreateTime", "time of the leader", kOutput)                                    \
  MESH_ROW_FIELDS(F)
struct ManagementToken {
  MESH_MESSAGE(ManagementToken, MESH_MANAGEMENT_TOKEN_FIELDS)
};

// Whether a host whose token carries these patterns may run the service: "web", "web-*", "*"; without case.
[[nodiscard]] bool service_allowed(const std::vector<std::string>& patterns, std::string_view service);

}  // namespace mesh::model
