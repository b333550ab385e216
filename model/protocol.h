// The messages between agents and servers: what an agent's RPC channel carries and what the servers answer.
// docs/formats/watch.md specifies the watch stream. Values; any thread.
//
// To add a call: its path and messages here, its handler in server/rpc_service.cc, its caller in agent/server_client.cc.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/message.h"
#include "base/time.h"
#include "model/command.h"
#include "model/kv.h"
#include "model/tables.h"

namespace mesh::model {

// Paths of the methods, as gRPC spells them.
inline constexpr std::string_view kApplyPath = "/mesh.Server/Apply";      // ApplyRequest -> CommandResult
inline constexpr std::string_view kBarrierPath = "/mesh.Server/Barrier";  // BarrierRequest -> BarrierResponse
inline constexpr std::string_view kKvReadPath = "/mesh.Server/KvRead";    // KvReadRequest -> KvReadResponse
inline constexpr std::string_view kStatusPath = "/mesh.Server/Status";    // StatusRequest -> StatusResponse
inline constexpr std::string_view kWatchPath = "/mesh.Server/Watch";      // WatchRequest -> stream of WatchMessage

// How fresh an answer must be. Default: of a leader under a valid lease; Consistent: of a leader that a quorum has just
// confirmed; Stale: of any server, with its age.
#define MESH_READ_MODE_VALUES(E) E(0, Default, "default") E(1, Consistent, "consistent") E(2, Stale, "stale")
MESH_ENUM(ReadMode, std::uint8_t, MESH_READ_MODE_VALUES)

// The servers fill in time and random.
#define MESH_APPLY_REQUEST_FIELDS(F) F(1, Command, command, "Command", "what to do")
struct ApplyRequest {
  MESH_MESSAGE(ApplyRequest, MESH_APPLY_REQUEST_FIELDS)
};

#define MESH_BARRIER_REQUEST_FIELDS(F) F(1, ReadMode, mode, "Mode", "Default or Consistent")
struct BarrierRequest {
  MESH_MESSAGE(BarrierRequest, MESH_BARRIER_REQUEST_FIELDS)
};
#define MESH_BARRIER_RESPONSE_FIELDS(F) F(1, std::uint64_t, index, "Index", "an answer from this index on is fresh enough")
struct BarrierResponse {
  MESH_MESSAGE(BarrierResponse, MESH_BARRIER_RESPONSE_FIELDS)
};

// Blocks, if min_index is not 0, until what was asked for changes beyond it, or `wait` is over.
#define MESH_KV_READ_REQUEST_FIELDS(F)                                                            \
  F(1, ReadMode, mode, "Mode", "how fresh")                                                       \
  F(2, std::string, key, "Key", "the key, or with recurse or keys_only a prefix", kBytes)         \
  F(3, bool, recurse, "Recurse", "every entry with the prefix")                                   \
  F(4, bool, keys_only, "KeysOnly", "keys instead of entries")                                    \
  F(5, std::string, separator, "Separator", "with keys_only: cut keys behind its first occurrence after the prefix", kBytes) \
  F(6, std::uint64_t, min_index, "MinIndex", "what the caller has seen")                          \
  F(7, Duration, wait, "Wait", "at most")
struct KvReadRequest {
  MESH_MESSAGE(KvReadRequest, MESH_KV_READ_REQUEST_FIELDS)
};
#define MESH_KV_READ_RESPONSE_FIELDS(F)                                                           \
  F(1, std::uint64_t, index, "Index", "for the next blocking call; never 0")                      \
  F(2, ListOf<KvEntry>, entries, "Entries", "in order of key")                                    \
  F(3, ListOf<std::string>, keys, "Keys", "in order", kBytes)                                     \
  F(4, bool, known_leader, "KnownLeader", "")                                                     \
  F(5, Duration, last_contact, "LastContact", "age of the answer; 0 unless stale")
struct KvReadResponse {
  MESH_MESSAGE(KvReadResponse, MESH_KV_READ_RESPONSE_FIELDS)
};

#define MESH_STATUS_REQUEST_FIELDS(F) F(1, std::string, node_id, "NodeID", "who asks, for logs")
struct StatusRequest {
  MESH_MESSAGE(StatusRequest, MESH_STATUS_REQUEST_FIELDS)
};
#define MESH_STATUS_RESPONSE_FIELDS(F)                                                            \
  F(1, std::string, leader, "Leader", "ADDRESS:PORT of its RPC; empty: none is known")            \
  F(2, ListOf<std::string>, peers, "Peers", "ADDRESS:PORT of each voter")                         \
  F(3, std::string, cluster_id, "ClusterID", "")                                                  \
  F(4, std::uint64_t, term, "Term", "")                                                           \
  F(5, std::uint64_t, commit_index, "CommitIndex", "")                                            \
  F(6, std::uint64_t, applied_index, "AppliedIndex", "")
struct StatusResponse {
  MESH_MESSAGE(StatusResponse, MESH_STATUS_RESPONSE_FIELDS)
};

#define MESH_WATCH_REQUEST_FIELDS(F)                                                              \
  F(1, std::uint32_t, version, "Version", "1")                                                    \
  F(2, std::string, node_id, "NodeID", "of the subscriber, for logs")                             \
  F(3, std::uint64_t, known_index, "KnownIndex", "what the replica holds; 0: nothing")            \
  F(5, ListOf<TableHash>, known_hashes, "KnownHashes", "of every table that the replica holds")
struct WatchRequest {
  MESH_MESSAGE(WatchRequest, MESH_WATCH_REQUEST_FIELDS)
};

#define MESH_WATCH_KIND_VALUES(E) \
  E(0, Heartbeat, "heartbeat")    \
  E(1, SnapshotBegin, "snapshot-begin") E(2, SnapshotRows, "snapshot-rows") E(3, SnapshotEnd, "snapshot-end") \
  E(4, Delta, "delta")
MESH_ENUM(WatchKind, std::uint8_t, MESH_WATCH_KIND_VALUES)

#define MESH_WATCH_MESSAGE_FIELDS(F)                                                              \
  F(1, WatchKind, kind, "Kind", "")                                                               \
  F(2, std::uint64_t, index, "Index", "the catalog is that of this index after the message")      \
  F(3, ListOf<RowChange>, rows, "Rows", "of SnapshotRows and Delta")                              \
  F(5, Duration, leader_contact, "LeaderContact", "how old the server's knowledge of the leader's commit is") \
  F(6, ListOf<TableHash>, hashes, "Hashes", "of the server's tables after the message; not of SnapshotBegin and SnapshotRows")
struct WatchMessage {
  MESH_MESSAGE(WatchMessage, MESH_WATCH_MESSAGE_FIELDS)
};
inline constexpr std::uint32_t kWatchVersion = 1;

}  // namespace mesh::model
