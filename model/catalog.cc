#include "model/catalog.h"

#include <algorithm>
#include <charconv>
#include <numeric>

#include "base/check.h"
#include "model/names.h"

namespace mesh::model {

namespace {

Bytes node_prefix(std::string_view node_id) { return key_on_node(node_id, {}); }

Bytes service_prefix(std::string_view service) {
  Bytes key = fold_name(service);
  key.push_back('\0');
  return key;
}

}  // namespace

CheckStatus worst_status(std::span<const Check* const> checks) {
  CheckStatus worst = CheckStatus::Passing;
  for (const Check* check : checks) worst = std::min(worst, check->status);
  return worst;
}

std::uint64_t Catalog::hash() const { return std::accumulate(hashes_.begin(), hashes_.end(), std::uint64_t{0}); }

std::vector<TableHash> Catalog::table_hashes() const {
  std::vector<TableHash> out;
  for (TableId id = kTableNodes; id <= kTableCatalogKnown; id = id + 1) out.push_back({id, hashes_[id.value()]});
  return out;
}

bool Catalog::agrees_with(const std::vector<TableHash>& theirs) const {
  for (TableId id = kTableNodes; id <= kTableCatalogKnown; id = id + 1) {
    if (hash_in(theirs, id) != hashes_[id.value()]) return false;
  }
  return true;
}

// --- nodes

const Node* Catalog::node(std::string_view id) const { return nodes_.find(id); }

const Node* Catalog::node_by_name(std::string_view name) const {
  const NodeId* id = node_ids_.find(fold_name(name));
  return id == nullptr ? nullptr : nodes_.find(*id);
}

std::vector<const Node*> Catalog::nodes() const {
  std::vector<const Node*> out;
  out.reserve(nodes_.size());
  for (const auto& [name, id] : node_ids_) {
    if (const Node* node = nodes_.find(id)) out.push_back(node);
  }
  return out;
}

std::vector<const ServiceInstance*> Catalog::instances_on(std::string_view node_id) const {
  std::vector<const ServiceInstance*> out;
  instances_.each(node_prefix(node_id),
                  [&](const Bytes&, const ServiceInstance& row) { out.push_back(&row); });
  return out;
}

std::vector<const Check*> Catalog::checks_on(std::string_view node_id) const {
  std::vector<const Check*> out;
  checks_.each(node_prefix(node_id), [&](const Bytes&, const Check& row) { out.push_back(&row); });
  return out;
}

// --- services

std::vector<ServiceSummary> Catalog::services() const {
  std::vector<ServiceSummary> out;
  out.reserve(services_.size());
  for (const auto& [folded, state] : services_) {
    ServiceSummary& summary = out.emplace_back(ServiceSummary{state.tags->name, {}, state.tags->instances});
    for (const auto& [tag, count] : state.tags->tags) summary.tags.push_back(tag);
  }
  return out;
}

bool Catalog::has_service(std::string_view name) const { return services_.contains(fold_name(name)); }

template <class Visitor>
void Catalog::each_instance_of(std::string_view service, Visitor visit) const {
  const Bytes prefix = service_prefix(service);
  for (auto it = by_service_.lower_bound(prefix); it != by_service_.end(); ++it) {
    if (!it->first.starts_with(prefix)) return;
    visit(*it->second);
  }
}

std::vector<InstanceView> Catalog::instances_of(std::string_view service) const {
  std::vector<InstanceView> out;
  each_instance_of(service, [&](const ServiceInstance& instance) {
    const Node* node = nodes_.find(instance.node_id);
    if (node == nullptr) return;
    InstanceView& view = out.emplace_back(InstanceView{node, &instance, {}, CheckStatus::Passing});
    join_checks(view);
  });
  return out;
}

void Catalog::join_checks(InstanceView& view) const {
  const auto add = [&](std::string_view service_id) {
    Bytes prefix = key_on_node(view.node->id, service_id);
    prefix.push_back('\0');
    for (auto it = by_instance_.lower_bound(prefix); it != by_instance_.end(); ++it) {
      if (!it->first.starts_with(prefix)) return;
      view.checks.push_back(it->second.get());
    }
  };
  add({});
  add(view.instance->id);
  view.status = worst_status(view.checks);
}

const ServiceInstance* Catalog::instance(std::string_view node_id, std::string_view service_id) const {
  return instances_.find(key_on_node(node_id, service_id));
}

// --- checks

const Check* Catalog::check(std::string_view node_id, std::string_view check_id) const {
  return checks_.find(key_on_node(node_id, check_id));
}

std::vector<const Check*> Catalog::checks_in(std::optional<CheckStatus> status) const {
  std::vector<const Check*> out;
  checks_.each({}, [&](const Bytes&, const Check& check) {
    if (!status || check.status == *status) out.push_back(&check);
  });
  return out;
}

std::vector<const Check*> Catalog::checks_of_service(std::string_view service) const {
  std::vector<const Check*> out;
  for (const InstanceView& view : instances_of(service)) {
    std::copy_if(view.checks.begin(), view.checks.end(), std::back_inserter(out),
                 [](const Check* check) { return !check->service_id.empty(); });
  }
  return out;
}

// --- mesh names, intentions, roots

const Name* Catalog::mesh_name(std::string_view service) const {
  const Name* name = names_.find(fold_name(service));
  return name == nullptr || name->released_at ? nullptr : name;
}

const Name* Catalog::mesh_name_at(std::uint32_t address) const {
  const std::shared_ptr<const Name>* name = by_address_.find(address);
  return name == nullptr || (*name)->released_at ? nullptr : name->get();
}

std::vector<const Name*> Catalog::mesh_names() const {
  std::vector<const Name*> out;
  names_.each({}, [&](const Bytes&, const Name& name) {
    if (!name.released_at) out.push_back(&name);
  });
  return out;
}

std::optional<std::uint32_t> Catalog::lowest_free_address(std::uint32_t first, std::uint32_t last) const {
  std::uint32_t free = first;
  for (auto it = by_address_.lower_bound(first); it != by_address_.end() && it->first == free; ++it) ++free;
  return free <= last ? std::optional(free) : std::nullopt;
}

const Intention* Catalog::intention(std::string_view id) const { return intentions_.find(id); }

std::vector<const Intention*> Catalog::intentions() const {
  std::vector<const Intention*> out;
  intentions_.each({}, [&](const Bytes&, const Intention& row) { out.push_back(&row); });
  return out;
}

const Intention* Catalog::intention_between(std::string_view source, std::string_view destination) const {
  for (const Intention* each : intentions()) {
    if (same_name(each->source, source) && same_name(each->destination, destination)) return each;
  }
  return nullptr;
}

IntentionAction Catalog::default_action() const {
  return cluster() == nullptr ? IntentionAction::Deny : cluster()->default_action;
}

std::vector<const CaRoot*> Catalog::roots() const {
  std::vector<const CaRoot*> out;
  roots_.each({}, [&](const Bytes&, const CaRoot& row) { out.push_back(&row); });
  return out;
}

// --- servers

std::vector<const Server*> Catalog::servers() const {
  std::vector<const Server*> out;
  servers_.each({}, [&](const Bytes&, const Server& row) { out.push_back(&row); });
  return out;
}

std::vector<const Removal*> Catalog::removals() const {
  std::vector<const Removal*> out;
  removals_.each({}, [&](const Bytes&, const Removal& row) { out.push_back(&row); });
  return out;
}

const Server* Catalog::server_on(std::string_view node_id) const {
  const Server* found = nullptr;
  servers_.each({}, [&](const Bytes&, const Server& row) {
    if (row.node_id.text() == node_id) found = &row;
  });
  return found;
}

// --- indexes

std::uint64_t Catalog::floor(std::uint64_t index) const {
  return std::max({index, base_index_, std::uint64_t{1}});
}

const Catalog::NodeState* Catalog::node_state(std::string_view name_or_id) const {
  const NodeId* id = node_ids_.find(fold_name(name_or_id));
  return node_states_.find(id == nullptr ? name_or_id : std::string_view(*id));
}

std::uint64_t Catalog::node_index(std::string_view name_or_id) const {
  const NodeState* state = node_state(name_or_id);
  return floor(state == nullptr ? nodes_gone_index_ : state->index);
}

std::uint64_t Catalog::node_checks_index(std::string_view name_or_id) const {
  const NodeState* state = node_state(name_or_id);
  return floor(state == nullptr ? nodes_gone_index_ : state->checks_index);
}

std::uint64_t Catalog::service_index(std::string_view name) const {
  const ServiceState* state = services_.find(fold_name(name));
  return floor(state == nullptr ? services_gone_index_ : state->index);
}

std::uint64_t Catalog::service_health_index(std::string_view name) const {
  const ServiceState* state = services_.find(fold_name(name));
  return floor(state == nullptr ? services_gone_index_ : state->health_index);
}

// --- rows

template <class T>
void Catalog::next_rows_of(const RowTable<T>& table, TableId id, RowCursor& cursor, std::size_t bytes_max,
                           std::vector<RowChange>& out) const {
  if (cursor.table != id) return;
  std::size_t bytes = 0;
  for (const RowChange& row : out) bytes += row.value->size();
  auto it = table.rows().lower_bound(cursor.after);
  if (it != table.rows().end() && !cursor.after.empty() && it->first == cursor.after) ++it;
  for (; it != table.rows().end(); ++it) {
    if (bytes >= bytes_max) return;
    out.push_back({id, it->first, encode(*it->second.value)});
    bytes += out.back().value->size();
    cursor.after = it->first;
  }
  cursor = {id + 1, {}, false};
}

std::vector<RowChange> Catalog::next_rows(RowCursor& cursor, std::size_t bytes_max) const {
  std::vector<RowChange> out;
  if (cursor.done) return out;
  next_rows_of(nodes_, kTableNodes, cursor, bytes_max, out);
  next_rows_of(instances_, kTableInstances, cursor, bytes_max, out);
  next_rows_of(checks_, kTableChecks, cursor, bytes_max, out);
  next_rows_of(names_, kTableNames, cursor, bytes_max, out);
  next_rows_of(intentions_, kTableIntentions, cursor, bytes_max, out);
  next_rows_of(roots_, kTableRoots, cursor, bytes_max, out);
  next_rows_of(cluster_, kTableCluster, cursor, bytes_max, out);
  next_rows_of(servers_, kTableServers, cursor, bytes_max, out);
  next_rows_of(removals_, kTableRemovals, cursor, bytes_max, out);
  cursor.done = cursor.table > kTableCatalogKnown;
  return out;
}

// --- addresses

std::optional<std::uint32_t> mesh_address_value(std::string_view text) {
  std::uint32_t value = 0;
  const char* at = text.data();
  const char* const end = at + text.size();
  for (int part = 0; part < 4; ++part) {
    std::uint8_t octet = 0;
    const auto [next, failure] = std::from_chars(at, end, octet);
    if (failure != std::errc{}) return std::nullopt;
    value = value << 8 | octet;
    at = next;
    if (part < 3 && (at == end || *at++ != '.')) return std::nullopt;
  }
  return at == end ? std::optional(value) : std::nullopt;
}

std::string mesh_address_text(std::uint32_t value) {
  return fmt::format("{}.{}.{}.{}", value >> 24, value >> 16 & 0xff, value >> 8 & 0xff, value & 0xff);
}

}  // namespace mesh::model
