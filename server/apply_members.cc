// Join tokens, members, and the certificates that are signed for them.
#include "server/apply.h"
#include "server/leaf_plan.h"
#include "server/members.h"

namespace mesh::server {

namespace {

constexpr std::size_t kLeavesPrunedMax = 16;  // by one command
constexpr std::size_t kRemovalsPrunedMax = 16;
// Behind a removal every certificate of the node has run out: a leaf's life, and a day for the leader's clock.
constexpr Duration kRemovalKept = kLeafLife + hours(24);

void prune_leaves(Transaction& tx) {
  for (std::size_t i = 0; i < kLeavesPrunedMax; ++i) {
    const Bytes* key = tx.state().oldest_leaf_key();
    if (key == nullptr || *key >= model::leaf_key(tx.time(), {})) return;
    tx.erase(model::kTableLeaves, Bytes(*key));
  }
}

void put_leaf(Transaction& tx, model::Leaf leaf) {
  prune_leaves(tx);
  Bytes key = model::leaf_key(leaf.not_after, leaf.serial);
  const std::shared_ptr<const model::Leaf> existing = tx.state().leaf(key);
  tx.upsert(model::kTableLeaves, std::move(key), std::move(leaf), existing.get());
}

// Agents end what the node still has open, and let nothing in by its certificates.
void put_removal(Transaction& tx, const model::Member& member) {
  std::vector<Bytes> over;
  for (const model::Removal* old : tx.catalog().removals())
    if (old->until <= tx.time() && over.size() < kRemovalsPrunedMax) over.emplace_back(old->node_id.text());
  for (Bytes& key : over) tx.erase(model::kTableRemovals, std::move(key));
  const WallTime until = *member.revoked_at + kRemovalKept;
  if (until <= tx.time() || tx.catalog().removal(member.node_id.text()) != nullptr) return;
  model::Removal row;
  row.node_id = member.node_id;
  row.name = member.name;
  row.removed_at = *member.revoked_at;
  row.until = until;
  const model::Removal* const none = nullptr;
  tx.upsert(model::kTableRemovals, Bytes(member.node_id.text()), std::move(row), none);
}

void put_member(Transaction& tx, model::Member member) {
  const std::shared_ptr<const model::Member> existing = tx.state().share_member(member.node_id);
  Bytes key = member.node_id.text();
  tx.upsert(model::kTableMembers, std::move(key), std::move(member), existing.get());
}

void put_token(Transaction& tx, model::JoinToken token) {
  const std::shared_ptr<const model::JoinToken> existing = tx.state().share_join_token(token.id);
  Bytes key = token.id;
  tx.upsert(model::kTableJoinTokens, std::move(key), std::move(token), existing.get());
}

std::shared_ptr<const model::Server> share_server(Transaction& tx, const model::NodeId& node_id) {
  const model::Server* found = tx.catalog().server_on(node_id);
  return found == nullptr ? nullptr : tx.state().servers().share(model::server_key(found->server_id));
}

model::Member admitted(Transaction& tx, const model::AdmitCommand& body) {
  const model::Member* existing = tx.state().member(body.member.node_id);
  if (existing != nullptr && is_admitted(tx.state(), body)) {
    model::Member again = *existing;
    again.name = body.member.name;
    return again;
  }
  const model::JoinToken& token = *tx.state().join_token(body.token_id);
  model::Member member;
  member.node_id = body.member.node_id;
  member.kind = token.kind;
  member.name = body.member.name;
  member.key_hash = body.member.key_hash;
  member.services = token.services;
  member.token_id = token.id;
  member.joined_at = existing != nullptr ? existing->joined_at : tx.time();
  return member;
}

void put_server(Transaction& tx, model::Server server, const model::Server* existing) {
  Bytes key = model::server_key(server.server_id);
  tx.upsert(model::kTableServers, std::move(key), std::move(server), existing);
}

// The next number, which no server ever had.
std::uint64_t take_server_id(Transaction& tx) {
  const model::Cluster existing = *tx.catalog().cluster();
  model::Cluster cluster = existing;
  ++cluster.last_server_id;
  tx.upsert(model::kTableCluster, {}, cluster, &existing);
  return cluster.last_server_id;
}

void admit_server(Transaction& tx, const model::AdmitCommand& body) {
  const std::shared_ptr<const model::Server> existing = share_server(tx, body.member.node_id);
  model::Server server;
  server.server_id = existing != nullptr ? existing->server_id : take_server_id(tx);
  server.node_id = body.member.node_id;
  server.name = body.member.name;
  server.address = body.server_address;
  put_server(tx, std::move(server), existing.get());
}

}  // namespace

Result<Applied> apply(Transaction& tx, const model::JoinTokenPutCommand& body) {
  model::JoinToken token = body.token;
  const model::JoinToken* existing = tx.state().join_token(token.id);
  token.created_at = existing != nullptr ? existing->created_at : tx.time();
  put_token(tx, std::move(token));
  return Applied{true, body.token.id};
}

Result<Applied> apply(Transaction& tx, const model::JoinTokenDeleteCommand& body) {
  if (tx.state().join_token(body.id) == nullptr) return error(Code::NotFound, "no join token {}", body.id);
  tx.erase(model::kTableJoinTokens, body.id);
  return Applied{true, body.id};
}

Result<Applied> apply(Transaction& tx, const model::AdmitCommand& body) {
  MESH_TRY_STATUS(check_admit(tx.state(), body, tx.time()));
  const bool repeated = is_admitted(tx.state(), body);
  model::Member member = admitted(tx, body);
  if (member.kind == model::JoinKind::Server) admit_server(tx, body);
  put_member(tx, std::move(member));
  if (!repeated) {
    model::JoinToken token = *tx.state().join_token(body.token_id);
    --token.uses_left;
    put_token(tx, std::move(token));
  }
  put_leaf(tx, body.leaf);
  return Applied{true, body.member.node_id.text()};
}

Result<Applied> apply(Transaction& tx, const model::LeafIssuedCommand& body) {
  MESH_TRY_STATUS(check_leaf(tx.state(), body));
  if (body.leaf.service.empty() && !body.node_name.empty()) {
    model::Member member = *tx.state().member(body.leaf.node_id);
    member.name = body.node_name;
    put_member(tx, std::move(member));
  }
  put_leaf(tx, body.leaf);
  return Applied{true, body.leaf.node_id.text()};
}

Result<Applied> apply(Transaction& tx, const model::MemberRevokeCommand& body) {
  const model::Member* existing = tx.state().member(body.node_id);
  if (existing == nullptr) return error(Code::NotFound, "no member {}", body.node_id.text());
  MESH_TRY_STATUS(check_not_last_server(tx.state(), body.node_id));
  model::Member member = *existing;
  if (!member.revoked_at) member.revoked_at = tx.time();
  put_removal(tx, member);
  put_member(tx, std::move(member));
  erase_node(tx, body.node_id);
  if (const auto server = share_server(tx, body.node_id)) tx.erase(model::kTableServers, model::server_key(server->server_id));
  return Applied{true, body.node_id.text()};
}

Result<Applied> apply(Transaction& tx, const model::ServerUpdateCommand& body) {
  const std::shared_ptr<const model::Server> existing = tx.state().servers().share(model::server_key(body.server_id));
  if (existing == nullptr || existing->node_id != body.node_id)
    return error(Code::NotFound, "no server {} on node {}", body.server_id, body.node_id.text());
  model::Server server = *existing;
  server.address = body.address;
  put_server(tx, std::move(server), existing.get());
  return Applied{true, body.node_id.text()};
}

}  // namespace mesh::server
