// Intentions: who may call whom. JSON is Consul's; source and destination are service names, "*", or as a source
// "node/NAME" for processes that are no service. Plain values; any thread.
#pragma once

#include <string_view>

#include "base/message.h"
#include "model/row.h"

namespace mesh::model {

#define MESH_INTENTION_ACTION_VALUES(E) E(0, Deny, "deny") E(1, Allow, "allow")
MESH_ENUM(IntentionAction, std::uint8_t, MESH_INTENTION_ACTION_VALUES)

// A test of one header; exactly one of present .. regex is set.
#define MESH_HEADER_MATCH_FIELDS(F)                                                                          \
  F(1, std::string, name, "Name", "compared without case")                                                   \
  F(2, bool, present, "Present", "any value", kOmitEmpty)                                                    \
  F(3, std::string, exact, "Exact", "", kOmitEmpty)                                                          \
  F(4, std::string, prefix, "Prefix", "", kOmitEmpty)                                                        \
  F(5, std::string, suffix, "Suffix", "", kOmitEmpty)                                                        \
  F(6, std::string, contains, "Contains", "", kOmitEmpty)                                                    \
  F(7, std::string, regex, "Regex", "the whole value, RE2 syntax", kOmitEmpty)                               \
  F(8, bool, invert, "Invert", "the test must not hold", kOmitEmpty)                                         \
  F(9, bool, ignore_case, "IgnoreCase", "not for regex", kOmitEmpty)
struct HeaderMatch {
  MESH_MESSAGE(HeaderMatch, MESH_HEADER_MATCH_FIELDS)
};

// A test of one request; all that is set must hold. At most one of the paths is set.
#define MESH_HTTP_MATCH_FIELDS(F)                                                                            \
  F(1, std::string, path_exact, "PathExact", "", kOmitEmpty)                                                 \
  F(2, std::string, path_prefix, "PathPrefix", "", kOmitEmpty)                                               \
  F(3, std::string, path_regex, "PathRegex", "the whole path, RE2 syntax", kOmitEmpty)                       \
  F(4, ListOf<std::string>, methods, "Methods", "empty: all", kOmitEmpty)                                    \
  F(5, ListOf<HeaderMatch>, header, "Header", "", kOmitEmpty)
struct HttpMatch {
  MESH_MESSAGE(HttpMatch, MESH_HTTP_MATCH_FIELDS)
};

#define MESH_PERMISSION_FIELDS(F)                                                                            \
  F(1, IntentionAction, action, "Action", "")                                                                \
  F(2, HttpMatch, http, "HTTP", "")
struct Permission {
  MESH_MESSAGE(Permission, MESH_PERMISSION_FIELDS)
};

#define MESH_INTENTION_FIELDS(F)                                                                             \
  F(1, std::string, id, "ID", "UUID, chosen by the leader")                                                  \
  F(2, std::string, description, "Description", "for people", kOmitEmpty)                                    \
  F(3, std::string, source, "SourceName", "")                                                                \
  F(4, std::string, destination, "DestinationName", "")                                                      \
  F(5, IntentionAction, action, "Action", "for what no permission decides")                                  \
  F(6, ListOf<Permission>, permissions, "Permissions", "the first that matches decides", kOmitEmpty)         \
  F(7, MapOf<std::string>, meta, "Meta", "free pairs")                                                       \
  F(8, std::uint32_t, precedence, "Precedence", "the highest that matches decides", kOutput)                 \
  F(9, WallTime, created_at, "CreatedAt", "time of the leader", kOutput)                                     \
  F(10, WallTime, updated_at, "UpdatedAt", "time of the leader", kOutput)                                    \
  MESH_ROW_FIELDS(F)
struct Intention {
  MESH_MESSAGE(Intention, MESH_INTENTION_FIELDS)
};

inline constexpr std::string_view kAnyService = "*";

// Consul's order: exact to exact 9, any to exact 8, exact to any 6, any to any 5.
[[nodiscard]] std::uint32_t intention_precedence(std::string_view source, std::string_view destination);

}  // namespace mesh::model
