// The row that says what the cluster is, with its first root, token and member.
#include "server/apply.h"

namespace mesh::server {

namespace {

// A row that nothing can be in the place of: the cluster was not initialised.
template <Message T>
void put_first(Transaction& tx, model::TableId table, Bytes key, T row) {
  tx.upsert(table, std::move(key), std::move(row), static_cast<const T*>(nullptr));
}

void put_cluster(Transaction& tx, const model::InitCommand& body) {
  model::Cluster cluster;
  cluster.id = body.cluster_id;
  cluster.datacenter = body.datacenter;
  cluster.domain = body.domain;
  cluster.generation = 1;
  cluster.default_action = body.default_allow ? model::IntentionAction::Allow : model::IntentionAction::Deny;
  cluster.created_at = tx.time();
  if (body.server) cluster.last_server_id = body.server->server_id;
  put_first(tx, model::kTableCluster, {}, std::move(cluster));
}

}  // namespace

Result<Applied> apply(Transaction& tx, const model::InitCommand& body) {
  if (tx.catalog().cluster() != nullptr) {
    return error(Code::Conflict, "this is cluster {} already", tx.catalog().cluster()->id);
  }
  put_cluster(tx, body);
  if (body.root) put_first(tx, model::kTableRoots, body.root->id, *body.root);
  if (body.sealed_key) put_first(tx, model::kTableSealedKeys, body.sealed_key->root_id, *body.sealed_key);
  if (body.gossip_key) put_first(tx, model::kTableSealedKeys, body.gossip_key->root_id, *body.gossip_key);
  if (body.management_token) {
    model::ManagementToken token = *body.management_token;
    token.created_at = tx.time();
    Bytes key = token.id;
    put_first(tx, model::kTableManagementTokens, std::move(key), std::move(token));
  }
  if (body.member) {
    model::Member member = *body.member;
    member.joined_at = tx.time();
    Bytes key = member.node_id.text();
    put_first(tx, model::kTableMembers, std::move(key), std::move(member));
  }
  if (body.leaf) {
    put_first(tx, model::kTableLeaves, model::leaf_key(body.leaf->not_after, body.leaf->serial), *body.leaf);
  }
  if (body.server) put_first(tx, model::kTableServers, model::server_key(body.server->server_id), *body.server);
  return Applied{true, body.cluster_id};
}

}  // namespace mesh::server
