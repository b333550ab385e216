// Health checks: how one is done (CheckDefinition, runs on the agent) and what came out (Check, a row of the catalog).
// JSON is Consul's. Plain values; any thread.
#pragma once

#include <string_view>

#include "base/message.h"
#include "model/ids.h"
#include "model/row.h"

namespace mesh::model {

// Worst first, so the status of several checks is their minimum. 0 is what a check has before its first result.
#define MESH_CHECK_STATUS_VALUES(E) E(0, Critical, "critical") E(1, Warning, "warning") E(2, Passing, "passing")
MESH_ENUM(CheckStatus, std::uint8_t, MESH_CHECK_STATUS_VALUES)

#define MESH_TEXT_LIST_FIELDS(F) F(1, ListOf<std::string>, values, "Values", "in order", kBare)
// The values of one HTTP header; in JSON a plain list.
struct TextList {
  MESH_MESSAGE(TextList, MESH_TEXT_LIST_FIELDS)
};

// Exactly one of http, tcp and ttl is set (check_definition_fault tells). Zero durations and counts mean the default.
#define MESH_CHECK_DEFINITION_FIELDS(F)                                                                      \
  F(1, std::string, check_id, "CheckID|ID", "default: service:ID, with several checks service:ID:N", kOmitEmpty) \
  F(2, std::string, name, "Name", "default: made from the service's name", kOmitEmpty)                       \
  F(3, std::string, notes, "Notes", "for people", kOmitEmpty)                                                \
  F(4, std::string, service_id, "ServiceID", "instance that it belongs to; empty: the node", kOmitEmpty)     \
  F(5, std::optional<CheckStatus>, status, "Status", "before the first result; default critical")            \
  F(6, std::string, http, "HTTP", "URL; 2xx passing, 429 warning, else critical", kOmitEmpty)                \
  F(7, std::string, method, "Method", "default GET", kOmitEmpty)                                             \
  F(8, MapOf<TextList>, header, "Header", "sent with the request", kOmitEmpty)                               \
  F(9, std::string, body, "Body", "sent with the request", kOmitEmpty)                                       \
  F(10, bool, disable_redirects, "DisableRedirects", "a redirect is the result", kOmitEmpty)                 \
  F(11, std::string, tls_server_name, "TLSServerName", "expected in the certificate", kOmitEmpty)            \
  F(12, bool, tls_skip_verify, "TLSSkipVerify", "accept any certificate", kOmitEmpty)                        \
  F(13, std::string, tcp, "TCP", "host:port; passing if it connects", kOmitEmpty)                            \
  F(14, Duration, ttl, "TTL", "critical unless the service reports within this time", kOmitEmpty)            \
  F(15, Duration, interval, "Interval", "between two runs; default 10s", kOmitEmpty)                         \
  F(16, Duration, timeout, "Timeout", "of one run; default 10s, at most the interval", kOmitEmpty)           \
  F(17, std::uint32_t, success_before_passing, "SuccessBeforePassing", "in a row; default 1", kOmitEmpty)    \
  F(18, std::uint32_t, failures_before_warning, "FailuresBeforeWarning", "in a row; default as critical", kOmitEmpty) \
  F(19, std::uint32_t, failures_before_critical, "FailuresBeforeCritical", "in a row; default 1", kOmitEmpty) \
  F(20, Duration, deregister_after, "DeregisterCriticalServiceAfter", "critical for so long: gone; 0: never", kOmitEmpty)

struct CheckDefinition {
  MESH_MESSAGE(CheckDefinition, MESH_CHECK_DEFINITION_FIELDS)
};

inline constexpr Duration kCheckIntervalDefault = seconds(10);
inline constexpr Duration kCheckTimeoutDefault = seconds(10);
inline constexpr Duration kCheckIntervalMin = milliseconds(100);     // shorter ones are refused
inline constexpr std::size_t kCheckIdMax = 512;                       // bytes
inline constexpr std::size_t kCheckOutputMax = std::size_t{4} << 10;  // bytes kept of a check's output

// "http", "tcp" or "ttl"; "" if none is set. Consul's field Type.
[[nodiscard]] std::string_view check_type(const CheckDefinition& definition);
// What is wrong with it, in words that name the fields; empty: nothing.
[[nodiscard]] std::string check_definition_fault(const CheckDefinition& definition);

// JSON is Consul's HealthCheck; who composes an answer adds Node (the name) and ServiceTags.
#define MESH_CHECK_FIELDS(F)                                                                                 \
  F(1, NodeId, node_id, "NodeID", "where it runs", kHidden)                                                  \
  F(2, std::string, check_id, "CheckID", "unique on its node")                                               \
  F(3, std::string, name, "Name", "for people")                                                              \
  F(4, CheckStatus, status, "Status", "")                                                                    \
  F(5, std::string, notes, "Notes", "for people")                                                            \
  F(6, std::string, output, "Output", "of the last run, cut to a limit")                                     \
  F(7, std::string, service_id, "ServiceID", "empty: the check is the node's")                               \
  F(8, std::string, service_name, "ServiceName", "of that instance")                                         \
  F(9, std::string, type, "Type", "http, tcp, ttl; empty: set from outside")                                 \
  F(10, Duration, interval, "Interval", "between two runs", kOmitEmpty)                                      \
  F(11, Duration, timeout, "Timeout", "of one run", kOmitEmpty)                                              \
  F(12, CheckDefinition, definition, "Definition", "for checks that another program runs")                   \
  MESH_ROW_FIELDS(F)

struct Check {
  MESH_MESSAGE(Check, MESH_CHECK_FIELDS)
  [[nodiscard]] CheckKey key() const { return {node_id, check_id}; }
};

// The check that gossip membership drives; its id is what Consul's clients expect.
inline constexpr std::string_view kSerfHealth = "serfHealth";

}  // namespace mesh::model
