// Join tokens, members, and the certificates that are signed for them.
#include "server/apply.h"
#include "server/members.h"

namespace mesh::server {

namespace {

constexpr std::size_t kLeavesPrunedMax = 16;  // by one command

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
  put_member(tx, admitted(tx, body));
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
  model::Member member = *existing;
  if (!member.revoked_at) member.revoked_at = tx.time();
  put_member(tx, std::move(member));
  return Applied{true, body.node_id.text()};
}

}  // namespace mesh::server
