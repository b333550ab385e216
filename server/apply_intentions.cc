// Intentions.
#include "server/apply.h"

namespace mesh::server {

Result<Applied> apply(Transaction& tx, const model::IntentionUpsertCommand& body) {
  const model::Catalog before = tx.catalog();
  model::Intention next = body.intention;
  const model::Intention* paired = before.intention_between(next.source, next.destination);
  const model::Intention* existing = next.id.empty() ? paired : before.intention(next.id);
  if (!next.id.empty() && existing == nullptr) return error(Code::NotFound, "no intention {}", next.id);
  if (paired != nullptr && paired != existing) {
    return error(Code::Conflict, "intention {} has this source and destination", paired->id);
  }
  next.id = existing != nullptr ? existing->id : tx.next_uuid().to_string();
  next.precedence = model::intention_precedence(next.source, next.destination);
  next.created_at = existing != nullptr ? existing->created_at : tx.time();
  next.updated_at = existing != nullptr ? existing->updated_at : tx.time();
  next.create_index = existing != nullptr ? existing->create_index : 0;
  next.modify_index = existing != nullptr ? existing->modify_index : 0;
  const std::string id = next.id;
  if (existing != nullptr && next == *existing) return Applied{true, id};
  next.updated_at = tx.time();
  tx.upsert(model::kTableIntentions, id, std::move(next), existing);
  return Applied{true, id};
}

Result<Applied> apply(Transaction& tx, const model::IntentionDeleteCommand& body) {
  const model::Catalog before = tx.catalog();
  const model::Intention* found =
      body.id.empty() ? before.intention_between(body.source, body.destination) : before.intention(body.id);
  if (found == nullptr) return error(Code::NotFound, "no such intention");
  tx.erase(model::kTableIntentions, found->id);
  return Applied{true, found->id};
}

}  // namespace mesh::server
