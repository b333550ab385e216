// Register, Deregister, CheckUpdate.
#include <set>

#include "model/names.h"
#include "server/apply.h"

namespace mesh::server {

namespace {

const model::Node* find_node(const model::Catalog& catalog, std::string_view id_or_name) {
  const model::Node* node = catalog.node(id_or_name);
  return node != nullptr ? node : catalog.node_by_name(id_or_name);
}

// The id under which the node is registered. Conflict if its name belongs to another node.
Result<model::NodeId> node_id_of(Transaction& tx, const model::Node& node) {
  const model::Node* named = tx.catalog().node_by_name(node.name);
  if (node.id.empty()) return named != nullptr ? named->id : model::NodeId(tx.next_uuid().to_string());
  if (named != nullptr && named->id != node.id) {
    return error(Code::Conflict, "the node name {} belongs to node {}", named->name, named->id.text());
  }
  return node.id;
}

void put_node(Transaction& tx, const model::RegisterCommand& body, const model::NodeId& id) {
  const model::Node* existing = tx.catalog().node(id);
  if (existing != nullptr && body.skip_node_update) return;
  model::Node node = body.node;
  node.id = id;
  if (node.datacenter.empty() && tx.catalog().cluster() != nullptr)
    node.datacenter = tx.catalog().cluster()->datacenter;
  tx.upsert(model::kTableNodes, id.text(), std::move(node), existing);
}

// Adds the names of services that changed.
void put_instance(Transaction& tx, model::ServiceInstance instance, const model::NodeId& node_id,
                  std::set<std::string>& services) {
  instance.node_id = node_id;
  if (instance.id.empty()) instance.id = instance.name;
  const model::ServiceInstance* existing = tx.catalog().instance(node_id, instance.id);
  if (existing != nullptr) services.insert(model::fold_name(existing->name));
  services.insert(model::fold_name(instance.name));
  Bytes key = model::key_on_node(node_id, instance.id);
  tx.upsert(model::kTableInstances, std::move(key), std::move(instance), existing);
}

Status put_check(Transaction& tx, model::Check check, const model::NodeId& node_id) {
  check.node_id = node_id;
  check.service_name.clear();
  if (!check.service_id.empty()) {
    const model::ServiceInstance* checked = tx.catalog().instance(node_id, check.service_id);
    if (checked == nullptr) {
      return error(Code::Invalid, "check {} is of service {}, which is not registered on the node",
                   check.check_id, check.service_id);
    }
    check.service_id = checked->id;
    check.service_name = checked->name;
  }
  const model::Check* existing = tx.catalog().check(node_id, check.check_id);
  Bytes key = model::key_on_node(node_id, check.check_id);
  tx.upsert(model::kTableChecks, std::move(key), std::move(check), existing);
  return {};
}

void erase_check(Transaction& tx, const model::Check& check) {
  tx.erase(model::kTableChecks, model::key_on_node(check.node_id, check.check_id));
}

// Whether an instance's id is the one that a check names.
bool is_check_of(const model::Check& check, std::string_view service_id) {
  return !check.service_id.empty() && model::same_name(check.service_id, service_id);
}

void erase_instance(Transaction& tx, const model::NodeId& node_id, std::string_view service_id) {
  const model::Catalog before = tx.catalog();  // keeps alive what the loop looks at
  const model::ServiceInstance* instance = before.instance(node_id, service_id);
  if (instance == nullptr) return;
  for (const model::Check* check : before.checks_on(node_id)) {
    if (is_check_of(*check, service_id)) erase_check(tx, *check);
  }
  tx.erase(model::kTableInstances, model::key_on_node(node_id, service_id));
  update_mesh_name(tx, instance->name);
}

}  // namespace

void erase_node(Transaction& tx, const model::NodeId& node_id) {
  const model::Catalog before = tx.catalog();
  if (before.node(node_id) == nullptr) return;
  for (const model::ServiceInstance* instance : before.instances_on(node_id)) {
    erase_instance(tx, node_id, instance->id);
  }
  const model::Catalog after = tx.catalog();
  for (const model::Check* check : after.checks_on(node_id)) erase_check(tx, *check);
  tx.erase(model::kTableNodes, node_id.text());
}

Result<Applied> apply(Transaction& tx, const model::RegisterCommand& body) {
  MESH_TRY(id, node_id_of(tx, body.node));
  put_node(tx, body, id);
  std::set<std::string> services;
  for (const model::ServiceInstance& instance : body.services) put_instance(tx, instance, id, services);
  for (const model::Check& check : body.checks) MESH_TRY_STATUS(put_check(tx, check, id));
  for (const std::string& service : services) update_mesh_name(tx, service);
  return Applied{true, id.text()};
}

Result<Applied> apply(Transaction& tx, const model::DeregisterCommand& body) {
  const model::Node* node = find_node(tx.catalog(), body.node);
  if (node == nullptr) return Applied{};
  const model::NodeId id = node->id;
  if (!body.service_id.empty()) {
    erase_instance(tx, id, body.service_id);
  } else if (!body.check_id.empty()) {
    const model::Catalog before = tx.catalog();
    if (const model::Check* check = before.check(id, body.check_id)) erase_check(tx, *check);
  } else {
    erase_node(tx, id);
  }
  return Applied{true, id.text()};
}

Result<Applied> apply(Transaction& tx, const model::CheckUpdateCommand& body) {
  const model::Node* node = find_node(tx.catalog(), body.node);
  const model::Check* existing = node == nullptr ? nullptr : tx.catalog().check(node->id, body.check_id);
  if (existing == nullptr) return error(Code::NotFound, "no check {} on node {}", body.check_id, body.node);
  const model::Catalog before = tx.catalog();
  model::Check check = *existing;
  check.status = body.status;
  check.output = body.output;
  tx.upsert(model::kTableChecks, model::key_on_node(check.node_id, check.check_id), check, existing);
  return Applied{true, check.node_id.text()};
}

}  // namespace mesh::server
