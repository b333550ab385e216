// Commands: the payload of a Raft entry that changes the replicated state. docs/formats/state.md is the specification.
//
// A command is deterministic: whatever is not in the state comes with it (time and random bytes from the leader). The
// state machine is the only interpreter. Values; any thread.
//
// To add a command: a kind and a body message here, an apply_*.cc in server/, a line in server/state_machine.cc, a row in
// docs/formats/state.md. To add a field that changes what an older server would do: raise kCommandLevel, and set
// Command::level where it is used.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/message.h"
#include "base/result.h"
#include "base/time.h"
#include "model/authority.h"
#include "model/check.h"
#include "model/intention.h"
#include "model/member.h"
#include "model/node.h"
#include "model/server.h"
#include "model/service.h"
#include "model/token.h"

namespace mesh::model {

inline constexpr std::uint8_t kCommandVersion = 1;  // first byte of a payload
inline constexpr std::uint32_t kCommandLevel = 1;   // the highest level that this release can apply
inline constexpr std::size_t kRequestIdBytes = 16;
inline constexpr std::size_t kCommandRandomBytes = 32;

#define MESH_COMMAND_KIND_VALUES(E)          \
  E(0, None, "none")                         \
  E(1, Register, "register")                 \
  E(2, Deregister, "deregister")             \
  E(3, CheckUpdate, "check-update")          \
  E(4, Kv, "kv")                             \
  E(5, IntentionUpsert, "intention-upsert")  \
  E(6, IntentionDelete, "intention-delete")  \
  E(7, Init, "init")                         \
  E(8, JoinTokenPut, "join-token-put")       \
  E(9, JoinTokenDelete, "join-token-delete") \
  E(10, Admit, "admit")                      \
  E(11, LeafIssued, "leaf-issued")           \
  E(12, MemberRevoke, "member-revoke")       \
  E(13, NodeHealth, "node-health")
MESH_ENUM(CommandKind, std::uint8_t, MESH_COMMAND_KIND_VALUES)

// A node with any number of its instances and checks, in one step (Consul's catalog/register). An empty node id: the
// node is found by name, else it gets a new id. The node id inside instances and checks is filled in here.
#define MESH_REGISTER_FIELDS(F)                                                                       \
  F(1, Node, node, "Node", "the node; its id may be empty")                                    \
  F(2, std::vector<ServiceInstance>, services, "Services", "instances to add or replace")      \
  F(3, std::vector<Check>, checks, "Checks", "checks to add or replace")                       \
  F(4, bool, skip_node_update, "SkipNodeUpdate", "leave an existing node row as it is")
struct RegisterCommand {
  MESH_MESSAGE(RegisterCommand, MESH_REGISTER_FIELDS)
};

// Without service and check ids the node goes with all that is on it. What is not there is no error.
#define MESH_DEREGISTER_FIELDS(F)                                           \
  F(1, std::string, node, "Node", "id or name of the node")                 \
  F(2, std::string, service_id, "ServiceID", "this instance and its checks") \
  F(3, std::string, check_id, "CheckID", "this check")
struct DeregisterCommand {
  MESH_MESSAGE(DeregisterCommand, MESH_DEREGISTER_FIELDS)
};

#define MESH_CHECK_UPDATE_FIELDS(F)                                \
  F(1, std::string, node, "Node", "id or name of the node")        \
  F(2, std::string, check_id, "CheckID", "the check")              \
  F(3, CheckStatus, status, "Status", "its new status")     \
  F(4, std::string, output, "Output", "its new output")
struct CheckUpdateCommand {
  MESH_MESSAGE(CheckUpdateCommand, MESH_CHECK_UPDATE_FIELDS)
};

#define MESH_KV_OP_VALUES(E)             \
  E(0, Set, "set")                       \
  E(1, Cas, "cas")                       \
  E(2, Delete, "delete")                 \
  E(3, DeleteTree, "delete-tree")        \
  E(4, DeleteCas, "delete-cas")
MESH_ENUM(KvOp, std::uint8_t, MESH_KV_OP_VALUES)

// Cas and DeleteCas are applied if the entry's modify index is `index`; Cas with 0: if there is no entry.
#define MESH_KV_COMMAND_FIELDS(F)                                                \
  F(1, KvOp, op, "Op", "what to do")                                             \
  F(2, std::string, key, "Key", "the key; for DeleteTree a prefix", kBytes)      \
  F(3, std::string, value, "Value", "new value", kBytes)                         \
  F(4, std::uint64_t, flags, "Flags", "opaque number of the client")             \
  F(5, std::uint64_t, index, "Index", "expected modify index")
struct KvCommand {
  MESH_MESSAGE(KvCommand, MESH_KV_COMMAND_FIELDS)
};

// With an id: that intention is replaced. Without: the one with the same source and destination, else a new one.
#define MESH_INTENTION_UPSERT_FIELDS(F) F(1, Intention, intention, "Intention", "the new value")
struct IntentionUpsertCommand {
  MESH_MESSAGE(IntentionUpsertCommand, MESH_INTENTION_UPSERT_FIELDS)
};

#define MESH_INTENTION_DELETE_FIELDS(F)                                         \
  F(1, std::string, id, "ID", "by id; or empty and by the two names")           \
  F(2, std::string, source, "Source", "source service")                         \
  F(3, std::string, destination, "Destination", "destination service")
struct IntentionDeleteCommand {
  MESH_MESSAGE(IntentionDeleteCommand, MESH_INTENTION_DELETE_FIELDS)
};

// Makes the cluster what it is for life; refused with Conflict when it has been done. Rows of a class that is absent are
// not made (a cluster without root signs nothing).
#define MESH_INIT_FIELDS(F)                                                                                  \
  F(1, std::string, cluster_id, "ClusterID", "UUID; the trust domain")                                       \
  F(2, std::string, datacenter, "Datacenter", "name of this datacenter")                                     \
  F(3, bool, default_allow, "DefaultAllow", "what no intention decides is allowed")                          \
  F(4, std::string, domain, "Domain", "last part of the trust domain and of DNS names")                      \
  F(5, std::optional<CaRoot>, root, "Root", "certificate of the first root")                                 \
  F(6, std::optional<SealedKey>, sealed_key, "SealedKey", "its key, sealed")                                 \
  F(7, std::optional<ManagementToken>, management_token, "ManagementToken", "the first one: id and hash")    \
  F(8, std::optional<Member>, member, "Member", "the first server")                                          \
  F(9, std::optional<Leaf>, leaf, "Leaf", "the first server's certificate")                                  \
  F(10, std::optional<Server>, server, "Server", "the first server's row")                                   \
  F(11, std::optional<SealedKey>, gossip_key, "GossipKey", "the pool's, sealed; its root id is \"gossip\"")
struct InitCommand {
  MESH_MESSAGE(InitCommand, MESH_INIT_FIELDS)
};

// Makes or replaces a token for joining. The secret itself never stands in a command.
#define MESH_JOIN_TOKEN_PUT_FIELDS(F) F(1, JoinToken, token, "Token", "its id is chosen by the leader")
struct JoinTokenPutCommand {
  MESH_MESSAGE(JoinTokenPutCommand, MESH_JOIN_TOKEN_PUT_FIELDS)
};
#define MESH_JOIN_TOKEN_DELETE_FIELDS(F) F(1, std::string, id, "ID", "of the token")
struct JoinTokenDeleteCommand {
  MESH_MESSAGE(JoinTokenDeleteCommand, MESH_JOIN_TOKEN_DELETE_FIELDS)
};

// Lets a host in: takes a use of the join token, records the member and its first certificate. A host that is a member
// with the same key and by the same token takes no further use: it repeats a Join whose answer was lost.
#define MESH_ADMIT_FIELDS(F)                                                                                 \
  F(1, std::string, token_id, "TokenID", "of the join token")                                                \
  F(2, Bytes, secret_hash, "SecretHash", "SHA-256 of the secret that was presented", kBytes | kHidden)       \
  F(3, Member, member, "Member", "node id, kind, name, key hash; the rest is filled in here")                \
  F(4, Leaf, leaf, "Leaf", "the node's certificate")
struct AdmitCommand {
  MESH_MESSAGE(AdmitCommand, MESH_ADMIT_FIELDS)
};

// Records a certificate that is about to be signed. Refused unless the node is a member that is not revoked and, for the
// node's own: the key is the recorded one; for a service: the node may run it and the catalog places it there.
#define MESH_LEAF_ISSUED_FIELDS(F)                                                                           \
  F(1, Leaf, leaf, "Leaf", "what is to be signed")                                                           \
  F(2, Bytes, key_hash, "KeyHash", "SHA-256 of the public key in it", kBytes)                                \
  F(3, std::string, node_name, "NodeName", "with the node's own: its name from now on; empty: as it is")
struct LeafIssuedCommand {
  MESH_MESSAGE(LeafIssuedCommand, MESH_LEAF_ISSUED_FIELDS)
};

// The host is no member any more: it gets no certificate and no answer. NotFound without such a member.
#define MESH_MEMBER_REVOKE_FIELDS(F) F(1, NodeId, node_id, "NodeID", "")
struct MemberRevokeCommand {
  MESH_MESSAGE(MemberRevokeCommand, MESH_MEMBER_REVOKE_FIELDS)
};

// What the leader makes of gossip (server/node_health.h): the check serfHealth of nodes whose host is a member that is not
// revoked. A node that is not (or no longer) so is left out, and so is a check that says the same already.
#define MESH_NODE_VERDICT_FIELDS(F)                                          \
  F(1, NodeId, node_id, "NodeID", "")                                        \
  F(2, CheckStatus, status, "Status", "")                                    \
  F(3, std::string, output, "Output", "")
struct NodeVerdict {
  MESH_MESSAGE(NodeVerdict, MESH_NODE_VERDICT_FIELDS)
};
#define MESH_NODE_HEALTH_FIELDS(F) F(1, ListOf<NodeVerdict>, verdicts, "Verdicts", "at most one for a node")
struct NodeHealthCommand {
  MESH_MESSAGE(NodeHealthCommand, MESH_NODE_HEALTH_FIELDS)
};

#define MESH_COMMAND_FIELDS(F)                                                                              \
  F(1, std::uint32_t, level, "Level", "a server that knows only lower ones stops")                          \
  F(2, CommandKind, kind, "Kind", "which body is set")                                                      \
  F(3, std::string, request_id, "RequestID", "16 bytes, the same in each retry; or none", kBytes)           \
  F(4, WallTime, time, "Time", "wall clock of the leader")                                                  \
  F(5, std::string, random, "Random", "32 bytes drawn by the leader", kBytes)                               \
  F(16, std::optional<RegisterCommand>, registration, "Register", "body of Register")                       \
  F(17, std::optional<DeregisterCommand>, deregistration, "Deregister", "body of Deregister")               \
  F(18, std::optional<CheckUpdateCommand>, check_update, "CheckUpdate", "body of CheckUpdate")              \
  F(19, std::optional<KvCommand>, kv, "Kv", "body of Kv")                                                   \
  F(20, std::optional<IntentionUpsertCommand>, intention_upsert, "IntentionUpsert", "body")                 \
  F(21, std::optional<IntentionDeleteCommand>, intention_delete, "IntentionDelete", "body")                 \
  F(22, std::optional<InitCommand>, init, "Init", "body of Init")                                           \
  F(23, std::optional<JoinTokenPutCommand>, join_token_put, "JoinTokenPut", "body")                         \
  F(24, std::optional<JoinTokenDeleteCommand>, join_token_delete, "JoinTokenDelete", "body")                \
  F(25, std::optional<AdmitCommand>, admit, "Admit", "body")                                                \
  F(26, std::optional<LeafIssuedCommand>, leaf_issued, "LeafIssued", "body")                                \
  F(27, std::optional<MemberRevokeCommand>, member_revoke, "MemberRevoke", "body")                          \
  F(28, std::optional<NodeHealthCommand>, node_health, "NodeHealth", "body")
struct Command {
  MESH_MESSAGE(Command, MESH_COMMAND_FIELDS)
};

// What a command came to; replicated with its request id.
#define MESH_COMMAND_RESULT_FIELDS(F)                                                              \
  F(1, std::uint32_t, code, "Code", "0: done; else a mesh::Code")                                  \
  F(2, std::string, message, "Message", "why not")                                                 \
  F(3, std::uint64_t, index, "Index", "Raft index of the command")                                 \
  F(4, bool, applied, "Applied", "false: refused, or a compare-and-set lost")                      \
  F(5, std::string, id, "ID", "id of the node, intention or token that it was about")
struct CommandResult {
  MESH_MESSAGE(CommandResult, MESH_COMMAND_RESULT_FIELDS)
};

// What a command came to: ok, or the error that it was refused with. A code of a later release counts as Internal.
[[nodiscard]] Status status_of(const CommandResult& result);

[[nodiscard]] Bytes encode_command(const Command& command);
// Errors: Unsupported (version byte, level or kind that this release does not know), Corrupt (does not decode, or the
// bodies do not agree with the kind). Either stops a server that meets it in its log.
[[nodiscard]] Result<Command> decode_command(ByteView payload);

// The commands of each kind, with level and kind set; request id, time and random are still empty.
[[nodiscard]] Command make_command(RegisterCommand body);
[[nodiscard]] Command make_command(DeregisterCommand body);
[[nodiscard]] Command make_command(CheckUpdateCommand body);
[[nodiscard]] Command make_command(KvCommand body);
[[nodiscard]] Command make_command(IntentionUpsertCommand body);
[[nodiscard]] Command make_command(IntentionDeleteCommand body);
[[nodiscard]] Command make_command(InitCommand body);
[[nodiscard]] Command make_command(JoinTokenPutCommand body);
[[nodiscard]] Command make_command(JoinTokenDeleteCommand body);
[[nodiscard]] Command make_command(AdmitCommand body);
[[nodiscard]] Command make_command(LeafIssuedCommand body);
[[nodiscard]] Command make_command(MemberRevokeCommand body);
[[nodiscard]] Command make_command(NodeHealthCommand body);

}  // namespace mesh::model
