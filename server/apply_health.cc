// NodeHealth.
#include "server/apply.h"

namespace mesh::server {

Result<Applied> apply(Transaction& tx, const model::NodeHealthCommand& body) {
  for (const model::NodeVerdict& verdict : body.verdicts) {
    const model::Member* member = tx.state().member(verdict.node_id);
    if (member == nullptr || member->revoked_at || tx.catalog().node(verdict.node_id) == nullptr) continue;
    model::Check check;
    check.node_id = verdict.node_id;
    check.check_id = std::string(model::kSerfHealth);
    check.name = "Serf Health Status";
    check.status = verdict.status;
    check.output = verdict.output;
    Bytes key = model::key_on_node(check.node_id, check.check_id);
    const model::Check* existing = tx.catalog().check(check.node_id, check.check_id);
    tx.upsert(model::kTableChecks, std::move(key), std::move(check), existing);
  }
  return Applied{};
}

}  // namespace mesh::server
