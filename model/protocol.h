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
#include "model/authority.h"
#include "model/command.h"
#include "model/kv.h"
#include "model/tables.h"
#include "model/token.h"

namespace mesh::model {

// Paths of the methods, as gRPC spells them.
inline constexpr std::string_view kApplyPath = "/mesh.Server/Apply";      // ApplyRequest -> CommandResult
inline constexpr std::string_view kBarrierPath = "/mesh.Server/Barrier";  // BarrierRequest -> BarrierResponse
inline constexpr std::string_view kKvReadPath = "/mesh.Server/KvRead";    // KvReadRequest -> KvReadResponse
inline constexpr std::string_view kStatusPath = "/mesh.Server/Status";    // StatusRequest -> StatusResponse
inline constexpr std::string_view kLeaderStatusPath = "/mesh.Server/LeaderStatus";  // the same, answered by the leader
inline constexpr std::string_view kWatchPath = "/mesh.Server/Watch";      // WatchRequest -> stream of WatchMessage
inline constexpr std::string_view kJoinPath = "/mesh.Server/Join";        // JoinRequest -> JoinResponse
inline constexpr std::string_view kSignPath = "/mesh.Server/Sign";        // SignRequest -> SignResponse
inline constexpr std::string_view kTokenCheckPath = "/mesh.Server/TokenCheck";            // TokenCheckRequest -> TokenCheckResponse
inline constexpr std::string_view kJoinTokenCreatePath = "/mesh.Server/JoinTokenCreate";  // JoinTokenCreateRequest -> JoinTokenCreateResponse
inline constexpr std::string_view kJoinTokenListPath = "/mesh.Server/JoinTokenList";      // JoinTokenListRequest -> JoinTokenListResponse
inline constexpr std::string_view kForwardPath = "/mesh.Server/Forward";  // ForwardRequest -> what the inner call answers

// How fresh an answer must be. Default: of a leader under a valid lease; Consistent: of a leader that a quorum has just
// confirmed; Stale: of any server, with its age.
#define MESH_READ_MODE_VALUES(E) E(0, Default, "default") E(1, Consistent, "consistent") E(2, Stale, "stale")
MESH_ENUM(ReadMode, std::uint8_t, MESH_READ_MODE_VALUES)

// The servers fill in time and random. `token`, here and below: the secret of a management token, of whoever asked the
// agent; empty: none. What an agent may do without one: server/authorize.h.
#define MESH_APPLY_REQUEST_FIELDS(F)                                                              \
  F(1, Command, command, "Command", "what to do")                                                 \
  F(2, std::string, token, "Token", "see above", kHidden)
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
  F(7, Duration, wait, "Wait", "at most")                                                         \
  F(8, std::string, token, "Token", "see ApplyRequest", kHidden)
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
// One server, as the one that answers knows it.
#define MESH_SERVER_ROLE_VALUES(E) E(0, None, "none") E(1, Learner, "learner") E(2, Voter, "voter") E(3, Leader, "leader")
MESH_ENUM(ServerRole, std::uint8_t, MESH_SERVER_ROLE_VALUES)
#define MESH_SERVER_STATUS_FIELDS(F)                                                              \
  F(1, std::uint64_t, server_id, "ID", "")                                                        \
  F(2, std::string, node_id, "NodeID", "empty: it has left the cluster, but not Raft yet")        \
  F(3, std::string, name, "Name", "")                                                             \
  F(4, std::string, address, "Address", "ADDRESS:PORT of its RPC")                                \
  F(5, ServerRole, role, "Role", "none: it is about to be added")                                 \
  F(6, std::optional<Duration>, last_contact, "LastContact", "since the leader heard of it; absent: not known") \
  F(7, std::uint64_t, lag, "Lag", "entries of the leader's log that it is not known to have")
struct ServerStatus {
  MESH_MESSAGE(ServerStatus, MESH_SERVER_STATUS_FIELDS)
};

#define MESH_STATUS_RESPONSE_FIELDS(F)                                                            \
  F(1, std::string, leader, "Leader", "ADDRESS:PORT of its RPC; empty: none is known")            \
  F(2, ListOf<std::string>, peers, "Peers", "ADDRESS:PORT of each voter")                         \
  F(3, std::string, cluster_id, "ClusterID", "")                                                  \
  F(4, std::uint64_t, term, "Term", "")                                                           \
  F(5, std::uint64_t, commit_index, "CommitIndex", "")                                            \
  F(6, std::uint64_t, applied_index, "AppliedIndex", "")                                          \
  F(7, ListOf<ServerStatus>, servers, "Servers", "in order of id; contact and lag only from the leader") \
  F(8, std::string, state_hash, "StateHash", "hex; equal on servers that applied the same")        \
  F(9, WallTime, time, "Time", "of the clock of the server that answers")
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

// ---- identity

// Lets a host in, or renews a node certificate that can no longer be used to ask Sign. The one call that is open to a
// host without certificate (RpcPeer::Kind::Joining; the caller knows the server by the pinned hash of the root's key).
//   first time   token id and secret of the join token; node id: a fresh UUID of the caller; csr: of the node's key
//   renewal      no token; node id and a csr of the recorded key
// A repeated call with the same node id, key and token takes no further use. Errors: Denied ("unknown, used up or expired
// join token", or a member that was revoked; it comes late on purpose), Conflict (the node id has another key, or the name
// belongs to another member), Invalid, Unsupported (version), Precondition (another cluster or datacenter), Overloaded,
// Unavailable.
inline constexpr std::uint32_t kJoinVersion = 1;
#define MESH_JOIN_REQUEST_FIELDS(F)                                                               \
  F(1, std::uint32_t, version, "Version", "1")                                                    \
  F(2, std::string, cluster_id, "ClusterID", "of the join token, or of the node's files")         \
  F(3, std::string, datacenter, "Datacenter", "likewise")                                         \
  F(4, std::string, token_id, "TokenID", "empty: renewal")                                        \
  F(5, Bytes, secret, "Secret", "of the join token", kBytes | kHidden)                            \
  F(6, NodeId, node_id, "NodeID", "UUID")                                                         \
  F(7, std::string, node_name, "NodeName", "")                                                    \
  F(8, JoinKind, kind, "Kind", "what the host wants to be; the token must be for it")             \
  F(9, Bytes, csr, "CSR", "PKCS#10, DER, signed by the node's key", kBytes)                       \
  F(10, std::string, server_address, "ServerAddress", "of a future server: ADDRESS:PORT of its RPC")
struct JoinRequest {
  MESH_MESSAGE(JoinRequest, MESH_JOIN_REQUEST_FIELDS)
};
#define MESH_JOIN_RESPONSE_FIELDS(F)                                                              \
  F(1, Cluster, cluster, "Cluster", "id, datacenter, domain, default action")                     \
  F(2, std::string, certificate, "Certificate", "PEM chain of the node: leaf, for a server also the root") \
  F(3, ListOf<CaRoot>, roots, "Roots", "all that are trusted")                                    \
  F(4, ListOf<std::string>, servers, "Servers", "ADDRESS:PORT of their RPC")                      \
  F(5, ListOf<std::string>, services, "Services", "name patterns that the node may run")          \
  F(6, Bytes, ca_key, "CaKey", "for a server, the first time: content of ca.key, to be kept with mode 0600", kBytes | kHidden) \
  F(7, std::uint64_t, server_id, "ServerID", "of a server: its number in the cluster")           \
  F(8, Bytes, gossip_key, "GossipKey", "the first time: the pool's key, to be kept with mode 0600", kBytes | kHidden)
struct JoinResponse {
  MESH_MESSAGE(JoinResponse, MESH_JOIN_RESPONSE_FIELDS)
};

// A certificate for a service that runs on the caller's node, or the node's next own one. Errors: Denied (not allowed by
// the node's join token; revoked; for the node's own: another key than the recorded one), NotFound (the catalog has no
// such service on the node: register first), Invalid (csr, a name that is no mesh name), Overloaded, Unavailable.
#define MESH_SIGN_REQUEST_FIELDS(F)                                                               \
  F(1, std::string, service, "Service", "empty: the node's own certificate")                      \
  F(2, Bytes, csr, "CSR", "PKCS#10, DER; its names are ignored, only the key counts", kBytes)     \
  F(3, NodeId, node_id, "NodeID", "asked for by a caller in the server's own process; others are known by their certificate") \
  F(4, std::string, node_name, "NodeName", "with the node's own: its name from now on; empty: as it is")
struct SignRequest {
  MESH_MESSAGE(SignRequest, MESH_SIGN_REQUEST_FIELDS)
};
#define MESH_SIGN_RESPONSE_FIELDS(F)                                                              \
  F(1, std::string, certificate, "Certificate", "PEM chain")                                      \
  F(2, ListOf<CaRoot>, roots, "Roots", "all that are trusted")                                    \
  F(3, ListOf<std::string>, servers, "Servers", "ADDRESS:PORT of their RPC")
struct SignResponse {
  MESH_MESSAGE(SignResponse, MESH_SIGN_RESPONSE_FIELDS)
};

// What a token lets its holder do, for an agent that has to decide for itself. Denied for an unknown one.
#define MESH_TOKEN_CHECK_REQUEST_FIELDS(F) F(1, std::string, token, "Token", "the secret", kHidden)
struct TokenCheckRequest {
  MESH_MESSAGE(TokenCheckRequest, MESH_TOKEN_CHECK_REQUEST_FIELDS)
};
#define MESH_TOKEN_CHECK_RESPONSE_FIELDS(F)                                                       \
  F(1, std::string, accessor_id, "AccessorID", "public id")                                       \
  F(2, bool, management, "Management", "may do everything")
struct TokenCheckResponse {
  MESH_MESSAGE(TokenCheckResponse, MESH_TOKEN_CHECK_RESPONSE_FIELDS)
};

// Makes a join token. Needs a management token, or a caller in the server's own process. To delete one: Apply.
inline constexpr std::uint32_t kJoinTokenUsesMax = 10'000;
inline constexpr Duration kJoinTokenLifeDefault = hours(24);
inline constexpr Duration kJoinTokenLifeMax = hours(365 * 24);
inline constexpr std::size_t kJoinTokenServicesMax = 64;
#define MESH_JOIN_TOKEN_CREATE_REQUEST_FIELDS(F)                                                  \
  F(1, std::string, token, "Token", "see ApplyRequest", kHidden)                                  \
  F(2, JoinKind, kind, "Kind", "")                                                                \
  F(3, ListOf<std::string>, services, "Services", "name patterns; none: every service (*)")       \
  F(4, std::uint32_t, uses, "Uses", "how many hosts may join; 0: one")                            \
  F(5, Duration, life, "Life", "0: a day")                                                        \
  F(6, std::string, description, "Description", "for people")
struct JoinTokenCreateRequest {
  MESH_MESSAGE(JoinTokenCreateRequest, MESH_JOIN_TOKEN_CREATE_REQUEST_FIELDS)
};
#define MESH_JOIN_TOKEN_CREATE_RESPONSE_FIELDS(F)                                                 \
  F(1, std::string, text, "Text", "what the host needs (model/join_ticket.h); told only here")    \
  F(2, JoinToken, token, "Token", "as recorded; no secret")
struct JoinTokenCreateResponse {
  MESH_MESSAGE(JoinTokenCreateResponse, MESH_JOIN_TOKEN_CREATE_RESPONSE_FIELDS)
};

#define MESH_JOIN_TOKEN_LIST_REQUEST_FIELDS(F) F(1, std::string, token, "Token", "see ApplyRequest", kHidden)
struct JoinTokenListRequest {
  MESH_MESSAGE(JoinTokenListRequest, MESH_JOIN_TOKEN_LIST_REQUEST_FIELDS)
};
#define MESH_JOIN_TOKEN_LIST_RESPONSE_FIELDS(F) \
  F(1, ListOf<JoinToken>, tokens, "Tokens", "in order of id, used up and expired ones too; no secrets and no hashes")
struct JoinTokenListResponse {
  MESH_MESSAGE(JoinTokenListResponse, MESH_JOIN_TOKEN_LIST_RESPONSE_FIELDS)
};

// A unary call that one server passes on to another (the leader) for somebody else. From servers only. The receiver
// decides by the original caller; only what it was told by its own transport would a server say of itself.
#define MESH_FORWARD_KIND_VALUES(E) E(0, Local, "local") E(1, Joining, "joining") E(2, Agent, "agent") E(3, Server, "server")
MESH_ENUM(ForwardKind, std::uint8_t, MESH_FORWARD_KIND_VALUES)
#define MESH_FORWARD_REQUEST_FIELDS(F)                                                            \
  F(1, std::string, path, "Path", "of the inner call")                                            \
  F(2, Bytes, body, "Body", "its request", kBytes | kHidden)                                      \
  F(3, ForwardKind, caller_kind, "CallerKind", "as the forwarding server's transport proved it")  \
  F(4, std::string, caller_id, "CallerID", "node id of an agent or server")
struct ForwardRequest {
  MESH_MESSAGE(ForwardRequest, MESH_FORWARD_REQUEST_FIELDS)
};

// How every call of a node that is no member any more is refused, for good: Denied, with a message that ends so.
inline constexpr std::string_view kRemovedWords = "was removed from the cluster";
[[nodiscard]] bool says_removed(const Error& error);

}  // namespace mesh::model
