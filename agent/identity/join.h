// Makes this host a node of a cluster: node id and key, the Join call with what a join token says, the node's files.
//
// Blocking; run by a program of its own (`meshd join`), before the agent starts. An interrupted join is begun again with
// the same node id and key, so that it takes no second use of the token; for the same reason servers that cannot be asked or
// cannot decide are asked again until JoinOptions::time_max, whatever became of the call before. Errors are one line that says what, where and
// what to try:
//   Precondition  joined already, another cluster's files, a data directory that cannot be used
//   Denied        the token is unknown, used up or expired, or the node was revoked
//   Conflict      the node's name is taken
//   Unavailable   no server could be asked; each with its reason, a certificate of another mesh among them
//   what else the servers say (model/protocol.h), what node_files.h says
#pragma once

#include <functional>
#include <string>

#include "agent/identity/join_caller.h"
#include "agent/identity/node_files.h"
#include "base/result.h"
#include "base/time.h"
#include "model/authority.h"
#include "model/join_ticket.h"
#include "model/protocol.h"

namespace mesh::agent {

inline constexpr Duration kJoinServerTimeMax = seconds(10);  // per server
inline constexpr Duration kJoinTimeMax = seconds(30);        // all rounds through the servers
inline constexpr Duration kJoinPauseMin = milliseconds(250);  // between two rounds; doubles
inline constexpr Duration kJoinPauseMax = seconds(4);
inline constexpr Duration kClockSkewMax = seconds(30);       // more is reported
inline constexpr std::size_t kJoinServersTried = 16;

struct JoinOptions {
  std::string data_dir;  // made if missing
  std::string node_name;
  std::string rpc_address = {};  // of a future server: ADDRESS:PORT
  // Keeps what only a server has of the answer, before the host counts as joined; called again when a join is repeated. Its
  // error ends the join. REQUIRED for a server.
  std::function<Status(const NodeRecord&, const model::JoinResponse&)> keep = nullptr;
  Duration server_time_max = kJoinServerTimeMax;
  Duration time_max = kJoinTimeMax;
  // Before each further round: why the last one failed, for people.
  std::function<void(const std::string& why, Duration pause)> on_retry = nullptr;
};

struct JoinedNode {
  NodeRecord record;
  model::Cluster cluster;
  std::string server;     // that let this host in
  Duration clock_ahead{}; // of this host's clock before the servers', to about the time of the call
};

// Something to tell people about the clock; empty: within kClockSkewMax.
[[nodiscard]] std::string clock_warning(Duration clock_ahead);

[[nodiscard]] Result<JoinedNode> join_cluster(const model::JoinTicket& ticket, const JoinOptions& options);
// A new certificate for a node whose own has expired, or soon will: for the recorded key, without a token.
[[nodiscard]] Result<JoinedNode> renew_node(const NodeFiles& files, Duration server_time_max = kJoinServerTimeMax);

// The same over another way to the servers; `now` by the wall clock, when the answer has come.
struct JoinWays {
  JoinCaller& caller;
  WallTime (*now)();
};
[[nodiscard]] Result<JoinedNode> join_cluster(const model::JoinTicket& ticket, const JoinOptions& options, JoinWays ways);
[[nodiscard]] Result<JoinedNode> renew_node(const NodeFiles& files, Duration server_time_max, JoinWays ways);

}  // namespace mesh::agent
