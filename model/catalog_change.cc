// How one row changes a catalog: the row itself, what is derived from it, and the indexes that it moves.
#include <algorithm>
#include <set>

#include "base/check.h"
#include "model/catalog.h"
#include "model/names.h"

namespace mesh::model {

namespace {

Bytes key_of(const Node& row) { return Bytes(std::string_view(row.id)); }
Bytes key_of(const ServiceInstance& row) { return key_on_node(row.node_id, row.id); }
Bytes key_of(const Check& row) { return key_on_node(row.node_id, row.check_id); }
Bytes key_of(const Name& row) { return fold_name(row.service); }
Bytes key_of(const Intention& row) { return row.id; }
Bytes key_of(const CaRoot& row) { return row.id; }
Bytes key_of(const Cluster&) { return {}; }
Bytes key_of(const Server& row) { return server_key(row.server_id); }
Bytes key_of(const Removal& row) { return row.node_id.text(); }

Bytes service_key(const ServiceInstance& row) {
  Bytes key = fold_name(row.name);
  key.push_back('\0');
  return key + key_of(row);
}

Bytes checked_key(const Check& row) {
  Bytes key = key_on_node(row.node_id, row.service_id);
  key.push_back('\0');
  return key + fold_name(row.check_id);
}

std::set<std::string> distinct_tags(const ServiceInstance& instance) {
  return {instance.tags.begin(), instance.tags.end()};
}

bool same_listing(const std::shared_ptr<const ServiceTags>& a, const std::shared_ptr<const ServiceTags>& b) {
  if (a == nullptr || b == nullptr) return a == b;
  return std::equal(a->tags.begin(), a->tags.end(), b->tags.begin(), b->tags.end(),
                    [](const auto& left, const auto& right) { return left.first == right.first; });
}

}  // namespace

Result<Catalog> Catalog::with_changes(const ChangeSet& changes) const {
  if (changes.index < index_) {
    return error(Code::Precondition, "changes of index {} after index {}", changes.index, index_);
  }
  Catalog next = *this;
  for (const RowChange& row : changes.rows) MESH_TRY_STATUS(next.change(row, changes.index));
  next.index_ = changes.index;
  return next;
}

Result<Catalog> Catalog::with_snapshot(std::uint64_t index, std::span<const RowChange> rows) const {
  if (index < index_)
    return error(Code::Precondition, "a snapshot of index {} after index {}", index, index_);
  Catalog next = *this;
  std::set<std::pair<TableId, ByteView>> kept;
  for (const RowChange& row : rows) {
    if (!row.value) return error(Code::Corrupt, "a row without a value in a snapshot");
    kept.emplace(row.table_id, row.key);
    MESH_TRY_STATUS(next.change(row, index));
  }
  RowCursor cursor;
  constexpr std::size_t kAtOnce = 1 << 20;
  for (auto old = next_rows(cursor, kAtOnce); !old.empty(); old = next_rows(cursor, kAtOnce)) {
    for (RowChange& row : old) {
      if (kept.contains({row.table_id, row.key})) continue;
      row.value.reset();
      MESH_TRY_STATUS(next.change(row, index));
    }
  }
  if (index_ == 0) next.base_index_ = index;
  next.index_ = index;
  return next;
}

void Catalog::advance(std::uint64_t index) {
  CHECK(index >= index_, "index {} after {}", index, index_);
  index_ = index;
}

Status Catalog::change(const RowChange& row, std::uint64_t index) {
  switch (row.table_id.value()) {
    case kTableNodes.value():
      return change_in(nodes_, row, index);
    case kTableInstances.value():
      return change_in(instances_, row, index);
    case kTableChecks.value():
      return change_in(checks_, row, index);
    case kTableNames.value():
      return change_in(names_, row, index);
    case kTableIntentions.value():
      return change_in(intentions_, row, index);
    case kTableRoots.value():
      return change_in(roots_, row, index);
    case kTableCluster.value():
      return change_in(cluster_, row, index);
    case kTableServers.value():
      return change_in(servers_, row, index);
    case kTableRemovals.value():
      return change_in(removals_, row, index);
    default:
      return {};
  }
}

template <class T>
Status Catalog::change_in(RowTable<T>& table, const RowChange& row, std::uint64_t index) {
  MESH_TRY(prepared, RowTable<T>::prepare(row).context("while reading a row of {}", T::table().name));
  if (prepared.value && key_of(*prepared.value) != row.key) {
    return error(Code::Corrupt, "a row of {} does not belong to its key", T::table().name);
  }
  if constexpr (std::is_same_v<T, Name>) {
    if (prepared.value && !mesh_address_value(prepared.value->address)) {
      return error(Code::Corrupt, "the mesh address of {} is no IPv4 address", prepared.value->service);
    }
  }
  const auto change = table.put(row.key, std::move(prepared));
  if (change.same || (!change.before && !change.after)) return {};
  hashes_[row.table_id.value()] += change.hash_added;
  on_change(change, index);
  return {};
}

// --- nodes

void Catalog::on_change(const RowTable<Node>::Change& change, std::uint64_t index) {
  if (change.before) {
    // Unless another node has taken the name in the same change set.
    const std::string folded = fold_name(change.before->name);
    const NodeId* owner = node_ids_.find(folded);
    if (owner != nullptr && *owner == change.before->id) node_ids_.erase(folded);
  }
  nodes_index_ = index;
  const NodeId& id = change.after ? change.after->id : change.before->id;
  if (change.after) {
    node_ids_.set(fold_name(change.after->name), id);
    node_states_.set(std::string(std::string_view(id)), {index, index});
  } else {
    node_states_.erase(std::string_view(id));
    nodes_gone_index_ = index;
  }
  touch_services_on(id, index, true);
}

void Catalog::touch_node(const NodeId& id, std::uint64_t index, std::uint64_t NodeState::*which) {
  const NodeState* state = node_states_.find(std::string_view(id));
  if (state == nullptr) return;
  NodeState next = *state;
  next.*which = index;
  node_states_.set(std::string(std::string_view(id)), next);
}

// The node's row (rows_too) or its own checks changed: that shows in every service on it.
void Catalog::touch_services_on(const NodeId& id, std::uint64_t index, bool rows_too) {
  for (const ServiceInstance* instance : instances_on(id)) {
    const std::string folded = fold_name(instance->name);
    const ServiceState* state = services_.find(folded);
    if (state == nullptr) continue;
    ServiceState next = *state;
    if (rows_too) next.index = index;
    next.health_index = index;
    services_.set(folded, std::move(next));
  }
}

// --- instances

void Catalog::on_change(const RowTable<ServiceInstance>::Change& change, std::uint64_t index) {
  const std::shared_ptr<const ServiceTags> old_listing = listing(change.before);
  const std::shared_ptr<const ServiceTags> new_listing = listing(change.after);
  if (change.before) by_service_.erase(service_key(*change.before));
  if (change.after) by_service_.set(service_key(*change.after), change.after);
  // First in, then out: a service whose only instance is replaced does not go away in between.
  if (change.after) add_instance(*change.after, index);
  if (change.before) drop_instance(*change.before, index);
  if (!same_listing(old_listing, listing(change.before)) ||
      !same_listing(new_listing, listing(change.after))) {
    services_index_ = index;
  }
  touch_node(change.after ? change.after->node_id : change.before->node_id, index, &NodeState::index);
}

// What the list of services shows of the instance's service now; null if there is no such service.
std::shared_ptr<const ServiceTags> Catalog::listing(
    const std::shared_ptr<const ServiceInstance>& instance) const {
  const ServiceState* state = instance == nullptr ? nullptr : services_.find(fold_name(instance->name));
  return state == nullptr ? nullptr : state->tags;
}

void Catalog::add_instance(const ServiceInstance& instance, std::uint64_t index) {
  const std::string folded = fold_name(instance.name);
  const ServiceState* state = services_.find(folded);
  auto tags = std::make_shared<ServiceTags>(state == nullptr ? ServiceTags{} : *state->tags);
  if (state == nullptr) tags->name = instance.name;
  ++tags->instances;
  for (const std::string& tag : distinct_tags(instance)) ++tags->tags[tag];
  services_.set(folded, {std::move(tags), index, index});
}

void Catalog::drop_instance(const ServiceInstance& instance, std::uint64_t index) {
  const std::string folded = fold_name(instance.name);
  const ServiceState* state = services_.find(folded);
  CHECK(state != nullptr && state->tags->instances > 0, "an instance of the unknown service {}",
        instance.name);
  auto tags = std::make_shared<ServiceTags>(*state->tags);
  --tags->instances;
  for (const std::string& tag : distinct_tags(instance)) {
    const auto found = tags->tags.find(tag);
    if (--found->second == 0) tags->tags.erase(found);
  }
  if (tags->instances == 0) {
    services_.erase(folded);
    services_gone_index_ = index;
  } else {
    services_.set(folded, {std::move(tags), index, index});
  }
}

// --- checks

void Catalog::on_change(const RowTable<Check>::Change& change, std::uint64_t index) {
  checks_index_ = index;
  if (change.before) by_instance_.erase(checked_key(*change.before));
  if (change.after) by_instance_.set(checked_key(*change.after), change.after);
  if (change.before) touch_checked(*change.before, index);
  if (change.after) touch_checked(*change.after, index);
}

void Catalog::touch_checked(const Check& check, std::uint64_t index) {
  touch_node(check.node_id, index, &NodeState::checks_index);
  if (check.service_id.empty()) return touch_services_on(check.node_id, index, false);
  const ServiceInstance* checked = instance(check.node_id, check.service_id);
  if (checked != nullptr) touch_health(checked->name, index);
}

void Catalog::touch_health(std::string_view service, std::uint64_t index) {
  const std::string folded = fold_name(service);
  const ServiceState* state = services_.find(folded);
  if (state == nullptr) return;
  ServiceState next = *state;
  next.health_index = index;
  services_.set(folded, std::move(next));
}

// --- names, intentions, roots

void Catalog::on_change(const RowTable<Name>::Change& change, std::uint64_t index) {
  names_index_ = index;
  if (change.before) {
    const std::uint32_t address = *mesh_address_value(change.before->address);
    const auto* owner = by_address_.find(address);
    if (owner != nullptr && *owner == change.before) by_address_.erase(address);
  }
  if (change.after) by_address_.set(*mesh_address_value(change.after->address), change.after);
}

void Catalog::on_change(const RowTable<Intention>::Change&, std::uint64_t index) {
  intentions_index_ = index;
}

void Catalog::on_change(const RowTable<CaRoot>::Change&, std::uint64_t index) { roots_index_ = index; }

void Catalog::on_change(const RowTable<Cluster>::Change&, std::uint64_t index) { cluster_index_ = index; }

void Catalog::on_change(const RowTable<Server>::Change&, std::uint64_t index) { servers_index_ = index; }

void Catalog::on_change(const RowTable<Removal>::Change&, std::uint64_t index) { removals_index_ = index; }

}  // namespace mesh::model
