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
#include "model/check.h"
#include "model/intention.h"
#include "model/node.h"
#include "model/service.h"

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
  E(7, Init, "init")
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

// Makes the cluster what it is for life; refused with Conflict when it has been done.
#define MESH_INIT_FIELDS(F)                                                             \
  F(1, std::string, cluster_id, "ClusterID", "UUID; the trust domain")                  \
  F(2, std::string, datacenter, "Datacenter", "name of this datacenter")                \
  F(3, bool, default_allow, "DefaultAllow", "what no intention decides is allowed")
struct InitCommand {
  MESH_MESSAGE(InitCommand, MESH_INIT_FIELDS)
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
  F(22, std::optional<InitCommand>, init, "Init", "body of Init")
struct Command {
  MESH_MESSAGE(Command, MESH_COMMAND_FIELDS)
};

// What a command came to; replicated with its request id.
#define MESH_COMMAND_RESULT_FIELDS(F)                                                              \
  F(1, std::uint32_t, code, "Code", "0: done; else a mesh::Code")                                  \
  F(2, std::string, message, "Message", "why not")                                                 \
  F(3, std::uint64_t, index, "Index", "Raft index of the command")                                 \
  F(4, bool, applied, "Applied", "false: refused, or a compare-and-set lost")                      \
  F(5, std::string, id, "ID", "id of the node or intention that it was about")
struct CommandResult {
  MESH_MESSAGE(CommandResult, MESH_COMMAND_RESULT_FIELDS)
};

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

}  // namespace mesh::model
