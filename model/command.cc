#include "model/command.h"

namespace mesh::model {

MESH_ENUM_TABLE(CommandKind, MESH_COMMAND_KIND_VALUES)
MESH_ENUM_TABLE(KvOp, MESH_KV_OP_VALUES)
MESH_MESSAGE_TABLE(RegisterCommand, MESH_REGISTER_FIELDS)
MESH_MESSAGE_TABLE(DeregisterCommand, MESH_DEREGISTER_FIELDS)
MESH_MESSAGE_TABLE(CheckUpdateCommand, MESH_CHECK_UPDATE_FIELDS)
MESH_MESSAGE_TABLE(KvCommand, MESH_KV_COMMAND_FIELDS)
MESH_MESSAGE_TABLE(IntentionUpsertCommand, MESH_INTENTION_UPSERT_FIELDS)
MESH_MESSAGE_TABLE(IntentionDeleteCommand, MESH_INTENTION_DELETE_FIELDS)
MESH_MESSAGE_TABLE(InitCommand, MESH_INIT_FIELDS)
MESH_MESSAGE_TABLE(JoinTokenPutCommand, MESH_JOIN_TOKEN_PUT_FIELDS)
MESH_MESSAGE_TABLE(JoinTokenDeleteCommand, MESH_JOIN_TOKEN_DELETE_FIELDS)
MESH_MESSAGE_TABLE(AdmitCommand, MESH_ADMIT_FIELDS)
MESH_MESSAGE_TABLE(LeafIssuedCommand, MESH_LEAF_ISSUED_FIELDS)
MESH_MESSAGE_TABLE(MemberRevokeCommand, MESH_MEMBER_REVOKE_FIELDS)
MESH_MESSAGE_TABLE(NodeVerdict, MESH_NODE_VERDICT_FIELDS)
MESH_MESSAGE_TABLE(NodeHealthCommand, MESH_NODE_HEALTH_FIELDS)
MESH_MESSAGE_TABLE(Command, MESH_COMMAND_FIELDS)
MESH_MESSAGE_TABLE(CommandResult, MESH_COMMAND_RESULT_FIELDS)

namespace {

// One bit for each body that is set.
std::uint32_t bodies(const Command& command) {
  const bool set[] = {command.registration.has_value(),     command.deregistration.has_value(),
                      command.check_update.has_value(),     command.kv.has_value(),
                      command.intention_upsert.has_value(), command.intention_delete.has_value(),
                      command.init.has_value(),             command.join_token_put.has_value(),
                      command.join_token_delete.has_value(), command.admit.has_value(),
                      command.leaf_issued.has_value(),      command.member_revoke.has_value(),
                      command.node_health.has_value()};
  std::uint32_t bits = 0;
  for (std::size_t i = 0; i < std::size(set); ++i) bits |= static_cast<std::uint32_t>(set[i]) << (i + 1);
  return bits;
}

Command of_kind(CommandKind kind) {
  Command command;
  command.level = kCommandLevel;
  command.kind = kind;
  return command;
}

}  // namespace

Status status_of(const CommandResult& result) {
  if (result.code == 0) return {};
  const bool known = result.code <= static_cast<std::uint32_t>(Code::Internal);
  return Error(known ? static_cast<Code>(result.code) : Code::Internal, result.message);
}

Bytes encode_command(const Command& command) {
  Bytes out(1, static_cast<char>(kCommandVersion));
  encode_to(out, command);
  return out;
}

Result<Command> decode_command(ByteView payload) {
  if (payload.empty()) return error(Code::Corrupt, "an empty command");
  const auto version = static_cast<std::uint8_t>(payload.front());
  if (version != kCommandVersion)
    return error(Code::Unsupported, "a command of layout {}; this release knows {}", version, kCommandVersion);
  MESH_TRY(command, decode<Command>(payload.substr(1)).context("while decoding a command"));
  if (command.level == 0 || command.level > kCommandLevel)
    return error(Code::Unsupported, "a command of level {}; this release applies up to {}", command.level, kCommandLevel);
  // Kinds are numbered as the bits of bodies().
  if (command.kind == CommandKind::None || bodies(command) != std::uint32_t{1} << static_cast<unsigned>(command.kind))
    return error(Code::Corrupt, "a command of kind '{}' without that body alone", enum_text(command.kind));
  return command;
}

Command make_command(RegisterCommand body) {
  Command command = of_kind(CommandKind::Register);
  command.registration = std::move(body);
  return command;
}

Command make_command(DeregisterCommand body) {
  Command command = of_kind(CommandKind::Deregister);
  command.deregistration = std::move(body);
  return command;
}

Command make_command(CheckUpdateCommand body) {
  Command command = of_kind(CommandKind::CheckUpdate);
  command.check_update = std::move(body);
  return command;
}

Command make_command(KvCommand body) {
  Command command = of_kind(CommandKind::Kv);
  command.kv = std::move(body);
  return command;
}

Command make_command(IntentionUpsertCommand body) {
  Command command = of_kind(CommandKind::IntentionUpsert);
  command.intention_upsert = std::move(body);
  return command;
}

Command make_command(IntentionDeleteCommand body) {
  Command command = of_kind(CommandKind::IntentionDelete);
  command.intention_delete = std::move(body);
  return command;
}

Command make_command(InitCommand body) {
  Command command = of_kind(CommandKind::Init);
  command.init = std::move(body);
  return command;
}

Command make_command(JoinTokenPutCommand body) {
  Command command = of_kind(CommandKind::JoinTokenPut);
  command.join_token_put = std::move(body);
  return command;
}

Command make_command(JoinTokenDeleteCommand body) {
  Command command = of_kind(CommandKind::JoinTokenDelete);
  command.join_token_delete = std::move(body);
  return command;
}

Command make_command(AdmitCommand body) {
  Command command = of_kind(CommandKind::Admit);
  command.admit = std::move(body);
  return command;
}

Command make_command(LeafIssuedCommand body) {
  Command command = of_kind(CommandKind::LeafIssued);
  command.leaf_issued = std::move(body);
  return command;
}

Command make_command(MemberRevokeCommand body) {
  Command command = of_kind(CommandKind::MemberRevoke);
  command.member_revoke = std::move(body);
  return command;
}

Command make_command(NodeHealthCommand body) {
  Command command = of_kind(CommandKind::NodeHealth);
  command.node_health = std::move(body);
  return command;
}

}  // namespace mesh::model
