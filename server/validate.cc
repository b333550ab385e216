#include "server/validate.h"

#include <algorithm>

#include "base/uuid.h"
#include "model/kv.h"
#include "model/names.h"
#include "model/protocol.h"

namespace mesh::server {

namespace {

Status check_name(std::string_view what, std::string_view name) {
  const std::string_view fault = model::name_fault(name);
  if (fault.empty()) return {};
  return error(Code::Invalid, "{} \"{}\" {}", what, name, fault);
}

Status check_text(std::string_view what, std::string_view text, std::size_t bytes_max) {
  if (text.size() > bytes_max) return error(Code::Invalid, "{} is longer than {} bytes", what, bytes_max);
  const bool control =
      std::any_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 0x20; });
  if (control) return error(Code::Invalid, "{} holds a control character", what);
  return {};
}

Status check_id(std::string_view what, std::string_view id) {
  if (id.empty()) return error(Code::Invalid, "{} is empty", what);
  return check_text(what, id, kIdBytesMax);
}

Status check_meta(std::string_view what, const MapOf<std::string>& meta) {
  if (meta.size() > model::kServiceMetaMax) {
    return error(Code::Invalid, "{} has more than {} pairs", what, model::kServiceMetaMax);
  }
  for (const auto& [key, value] : meta) {
    if (key.size() > model::kServiceMetaKeyMax || value.size() > model::kServiceMetaValueMax) {
      return error(Code::Invalid, "{}: the pair \"{}\" is too long", what,
                   key.substr(0, model::kServiceMetaKeyMax));
    }
  }
  return {};
}

Status check_node(const model::Node& node) {
  if (!node.id.empty() && !Uuid::parse(node.id).ok()) return error(Code::Invalid, "the node id is no UUID");
  MESH_TRY_STATUS(check_name("the node name", node.name));
  MESH_TRY_STATUS(check_text("the node's address", node.address, kAddressBytesMax));
  return check_meta("the node's meta", node.meta);
}

Status check_service(const model::ServiceInstance& service) {
  MESH_TRY_STATUS(check_name("the service name", service.name));
  if (!service.id.empty()) MESH_TRY_STATUS(check_id("the service id", service.id));
  MESH_TRY_STATUS(check_text("the service's address", service.address, kAddressBytesMax));
  if (service.tags.size() > model::kServiceTagsMax) {
    return error(Code::Invalid, "service {} has more than {} tags", service.name, model::kServiceTagsMax);
  }
  if (service.ports.size() > model::kServicePortsMax) {
    return error(Code::Invalid, "service {} has more than {} ports", service.name, model::kServicePortsMax);
  }
  return check_meta("the service's meta", service.meta);
}

Status check_check(const model::Check& check) {
  MESH_TRY_STATUS(check_id("the check id", check.check_id));
  if (check.output.size() > model::kCheckOutputMax) {
    return error(Code::Invalid, "the output of check {} is longer than {} bytes", check.check_id,
                 model::kCheckOutputMax);
  }
  return check_text("the check's service id", check.service_id, kIdBytesMax);
}

Status validate_body(const model::RegisterCommand& body) {
  MESH_TRY_STATUS(check_node(body.node));
  if (body.services.size() > kRegisterServicesMax || body.checks.size() > kRegisterChecksMax) {
    return error(Code::Invalid, "more than {} services or {} checks in one registration",
                 kRegisterServicesMax, kRegisterChecksMax);
  }
  for (const model::ServiceInstance& service : body.services) MESH_TRY_STATUS(check_service(service));
  for (const model::Check& check : body.checks) MESH_TRY_STATUS(check_check(check));
  return {};
}

Status validate_body(const model::DeregisterCommand& body) {
  if (body.node.empty()) return error(Code::Invalid, "the node is empty");
  return {};
}

Status validate_body(const model::CheckUpdateCommand& body) {
  if (body.node.empty()) return error(Code::Invalid, "the node is empty");
  MESH_TRY_STATUS(check_id("the check id", body.check_id));
  if (body.output.size() <= model::kCheckOutputMax) return {};
  return error(Code::Invalid, "the output is longer than {} bytes", model::kCheckOutputMax);
}

Status validate_body(const model::KvCommand& body) {
  if (body.key.empty() && body.op != model::KvOp::DeleteTree) return error(Code::Invalid, "the key is empty");
  if (body.key.size() > model::kKvKeyMax)
    return error(Code::Invalid, "the key is longer than {} bytes", model::kKvKeyMax);
  if (body.value.size() <= model::kKvValueMax) return {};
  return error(Code::Invalid, "the value is longer than {} bytes", model::kKvValueMax);
}

Status validate_body(const model::IntentionUpsertCommand& body) {
  if (body.intention.source != model::kAnyService && !body.intention.source.starts_with("node/")) {
    MESH_TRY_STATUS(check_name("the source", body.intention.source));
  }
  if (body.intention.destination != model::kAnyService) {
    MESH_TRY_STATUS(check_name("the destination", body.intention.destination));
  }
  return check_meta("the intention's meta", body.intention.meta);
}

Status validate_body(const model::IntentionDeleteCommand& body) {
  if (!body.id.empty() || (!body.source.empty() && !body.destination.empty())) return {};
  return error(Code::Invalid, "an intention is named by its id, or by source and destination");
}

Status validate_body(const model::InitCommand& body) {
  if (!Uuid::parse(body.cluster_id).ok()) return error(Code::Invalid, "the cluster id is no UUID");
  if (!model::is_dns_label(body.datacenter)) {
    return error(Code::Invalid, "the datacenter \"{}\" is no DNS label", body.datacenter);
  }
  if (model::is_dns_name(body.domain)) return {};
  return error(Code::Invalid, "the domain \"{}\" is no DNS name", body.domain);
}

Status check_hash(std::string_view what, ByteView hash) {
  if (hash.size() == kHashBytes) return {};
  return error(Code::Invalid, "{} has {} bytes", what, kHashBytes);
}

Status check_patterns(const std::vector<std::string>& patterns) {
  if (patterns.empty() || patterns.size() > model::kJoinTokenServicesMax) {
    return error(Code::Invalid, "a join token has 1 to {} patterns of service names", model::kJoinTokenServicesMax);
  }
  for (const std::string_view pattern : patterns) {
    const std::string_view fixed = pattern.ends_with('*') ? pattern.substr(0, pattern.size() - 1) : pattern;
    if (pattern == "*") continue;
    const std::string_view fault = fixed.find('*') != fixed.npos ? "holds a * that is not its last letter"
                                                                 : model::name_fault(fixed);
    if (!fault.empty()) return error(Code::Invalid, "the pattern \"{}\" {}", pattern, fault);
  }
  return {};
}

Status validate_body(const model::JoinTokenPutCommand& body) {
  if (!Uuid::parse(body.token.id).ok()) return error(Code::Invalid, "the token id is no UUID");
  MESH_TRY_STATUS(check_hash("the hash of a secret", body.token.secret_hash));
  if (body.token.uses_left > model::kJoinTokenUsesMax) {
    return error(Code::Invalid, "a join token has at most {} uses", model::kJoinTokenUsesMax);
  }
  MESH_TRY_STATUS(check_text("the description", body.token.description, kDescriptionBytesMax));
  return check_patterns(body.token.services);
}

Status validate_body(const model::JoinTokenDeleteCommand& body) {
  if (!Uuid::parse(body.id).ok()) return error(Code::Invalid, "the token id is no UUID");
  return {};
}

Status check_leaf_row(const model::Leaf& leaf) {
  if (!Uuid::parse(leaf.node_id).ok()) return error(Code::Invalid, "the node id is no UUID");
  MESH_TRY_STATUS(check_id("the serial", leaf.serial));
  if (leaf.not_before < leaf.not_after) return {};
  return error(Code::Invalid, "a certificate that is never valid");
}

Status validate_body(const model::AdmitCommand& body) {
  MESH_TRY_STATUS(check_name("the node name", body.member.name));
  MESH_TRY_STATUS(check_hash("the hash of a secret", body.secret_hash));
  MESH_TRY_STATUS(check_hash("the hash of a key", body.member.key_hash));
  if (body.leaf.node_id != body.member.node_id) return error(Code::Invalid, "the certificate is of another node");
  return check_leaf_row(body.leaf);
}

Status validate_body(const model::LeafIssuedCommand& body) {
  MESH_TRY_STATUS(check_hash("the hash of a key", body.key_hash));
  if (!body.node_name.empty()) MESH_TRY_STATUS(check_name("the node name", body.node_name));
  return check_leaf_row(body.leaf);
}

Status validate_body(const model::NodeHealthCommand& body) {
  if (body.verdicts.size() > kVerdictsMax) return error(Code::Invalid, "more than {} verdicts", kVerdictsMax);
  for (const model::NodeVerdict& verdict : body.verdicts) {
    if (!Uuid::parse(verdict.node_id).ok()) return error(Code::Invalid, "the node id is no UUID");
    MESH_TRY_STATUS(check_text("the output", verdict.output, kVerdictOutputMax));
  }
  return {};
}

Status validate_body(const model::MemberRevokeCommand& body) {
  if (!Uuid::parse(body.node_id).ok()) return error(Code::Invalid, "the node id is no UUID");
  return {};
}

}  // namespace

Status validate(const model::Command& command) {
  // What the log would refuse must not get there: the same checks as at its other end.
  MESH_TRY(checked, model::decode_command(model::encode_command(command)));
  if (!checked.request_id.empty() && checked.request_id.size() != model::kRequestIdBytes) {
    return error(Code::Invalid, "a request id has {} bytes", model::kRequestIdBytes);
  }
  switch (checked.kind) {
    case model::CommandKind::Register:
      return validate_body(*checked.registration);
    case model::CommandKind::Deregister:
      return validate_body(*checked.deregistration);
    case model::CommandKind::CheckUpdate:
      return validate_body(*checked.check_update);
    case model::CommandKind::Kv:
      return validate_body(*checked.kv);
    case model::CommandKind::IntentionUpsert:
      return validate_body(*checked.intention_upsert);
    case model::CommandKind::IntentionDelete:
      return validate_body(*checked.intention_delete);
    case model::CommandKind::Init:
      return validate_body(*checked.init);
    case model::CommandKind::JoinTokenPut:
      return validate_body(*checked.join_token_put);
    case model::CommandKind::JoinTokenDelete:
      return validate_body(*checked.join_token_delete);
    case model::CommandKind::Admit:
      return validate_body(*checked.admit);
    case model::CommandKind::LeafIssued:
      return validate_body(*checked.leaf_issued);
    case model::CommandKind::MemberRevoke:
      return validate_body(*checked.member_revoke);
    case model::CommandKind::NodeHealth:
      return validate_body(*checked.node_health);
    case model::CommandKind::None:
      break;
  }
  return error(Code::Invalid, "a command without kind");
}

}  // namespace mesh::server
