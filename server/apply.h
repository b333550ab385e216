// What each kind of command does, as functions of the state (through the transaction) and the body.
// Deterministic: no clock, no randomness, no order of hashing. Raft loop.
//
// An error is the command's result; the transaction is dropped then, so a refused command changes nothing.
// Values come checked by the leader (server/validate.h); here only what depends on the state is decided.
#pragma once

#include <string>

#include "base/result.h"
#include "model/command.h"
#include "server/transaction.h"

namespace mesh::server {

struct Applied {
  bool applied = true;  // false: a compare-and-set lost
  std::string id;       // of the node, intention or token that it was about
};

[[nodiscard]] Result<Applied> apply(Transaction& tx, const model::RegisterCommand& body);
[[nodiscard]] Result<Applied> apply(Transaction& tx, const model::DeregisterCommand& body);
[[nodiscard]] Result<Applied> apply(Transaction& tx, const model::CheckUpdateCommand& body);
[[nodiscard]] Result<Applied> apply(Transaction& tx, const model::KvCommand& body);
[[nodiscard]] Result<Applied> apply(Transaction& tx, const model::IntentionUpsertCommand& body);
[[nodiscard]] Result<Applied> apply(Transaction& tx, const model::IntentionDeleteCommand& body);
[[nodiscard]] Result<Applied> apply(Transaction& tx, const model::InitCommand& body);
[[nodiscard]] Result<Applied> apply(Transaction& tx, const model::JoinTokenPutCommand& body);
[[nodiscard]] Result<Applied> apply(Transaction& tx, const model::JoinTokenDeleteCommand& body);
[[nodiscard]] Result<Applied> apply(Transaction& tx, const model::AdmitCommand& body);
[[nodiscard]] Result<Applied> apply(Transaction& tx, const model::LeafIssuedCommand& body);
[[nodiscard]] Result<Applied> apply(Transaction& tx, const model::MemberRevokeCommand& body);
[[nodiscard]] Result<Applied> apply(Transaction& tx, const model::NodeHealthCommand& body);

// Brings the mesh name of a service in line with its instances: gives it an address, updates its ports, or
// releases it. Mesh addresses are the lowest free of kMeshAddressFirst .. kMeshAddressLast; a released one
// stays with its name for kQuarantine of command time. When none is free the service has no mesh name.
void update_mesh_name(Transaction& tx, std::string_view service);

inline constexpr std::uint32_t kMeshAddressFirst = 0x7f800005;  // 127.128.0.5
inline constexpr std::uint32_t kMeshAddressLast = 0x7fbffffe;   // 127.191.255.254
inline constexpr std::uint32_t kMeshAddressDns = 0x7f800035;    // 127.128.0.53: answers DNS, never allocated
inline constexpr Duration kQuarantine = hours(30 * 24);

}  // namespace mesh::server
