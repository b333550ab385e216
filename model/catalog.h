// Catalog: one immutable version of the replicated catalog (nodes, instances, checks, mesh names, intentions,
// roots) with the joins and indexes that DNS, the HTTP API, the proxy's control loop and the state machine
// ask for. Servers and agents use the same type: a server makes versions by applying commands, an agent by
// applying watch messages.
//
// Threads and ownership: a version that is not being changed may be read and copied by any number of threads;
// a copy is O(1) and shares everything. Pointers that queries return live as long as some copy of the version
// they came from; they never change. Names and ids are compared without regard to ASCII case.
//
// Health (as Consul has it): an instance's checks are those of its node (checks without a service id) and its
// own; its status is the worst of them; without checks it passes. So one critical check of a node hides all
// its services.
//
// Indexes, for blocking queries: each query has an index that moves when (and, but for what is gone, only
// when) its answer may have changed. Never 0; never backwards as long as versions follow each other by the
// functions below. What does not exist answers with the index at which something of its kind last went away,
// so a wait on a service ends when its last instance goes. Objects loaded by the first snapshot have that
// snapshot's index.
//
// To add a table: its rows in tables.h, a Rows<> member, a case in change() and a query here.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/persistent_map.h"
#include "base/result.h"
#include "model/authority.h"
#include "model/check.h"
#include "model/intention.h"
#include "model/name.h"
#include "model/node.h"
#include "model/removal.h"
#include "model/row_table.h"
#include "model/server.h"
#include "model/service.h"
#include "model/tables.h"

namespace mesh::model {

// An instance with what it is joined with. Checks: the node's first, then its own, each in order of check id.
struct InstanceView {
  const Node* node = nullptr;
  const ServiceInstance* instance = nullptr;
  std::vector<const Check*> checks;
  CheckStatus status = CheckStatus::Passing;  // the worst of checks
};

// A service name with the union of its instances' tags, sorted.
struct ServiceSummary {
  std::string name;  // as its first instance spells it
  std::vector<std::string> tags;
  std::size_t instances = 0;
};

// The worst of the statuses; Passing for none.
[[nodiscard]] CheckStatus worst_status(std::span<const Check* const> checks);

// How often each tag occurs among a service's instances; shared between versions.
struct ServiceTags {
  std::string name;
  std::size_t instances = 0;
  std::map<std::string, std::size_t> tags;
};

class Catalog {
 public:
  // Empty, at index 0.
  Catalog() = default;

  // The version after one change set. Errors: Corrupt, a row that does not decode or whose value does not
  // belong to its key; Precondition, an index below index(). Rows of tables that this release does not know
  // are skipped.
  [[nodiscard]] Result<Catalog> with_changes(const ChangeSet& changes) const;

  // The version that consists of exactly `rows` at `index` (a snapshot; each row has a value). Objects that
  // are equal here and there keep their index. Errors as above.
  [[nodiscard]] Result<Catalog> with_snapshot(std::uint64_t index, std::span<const RowChange> rows) const;

  // In place: one row, for the state machine, whose later steps must see earlier ones. Same errors; then
  // *this is as before. A row of a table that is not the catalog's changes nothing.
  [[nodiscard]] Status change(const RowChange& row, std::uint64_t index);

  [[nodiscard]] std::uint64_t index() const { return index_; }  // the last change or snapshot that it reflects
  [[nodiscard]] std::uint64_t hash() const;                     // sum of row_hash over its rows
  // Of every table that this release knows, in order of id, those without rows too.
  [[nodiscard]] std::vector<TableHash> table_hashes() const;
  // Whether each table that this release knows has the rows that `theirs` tells; a table that is not in it has none
  // there. Tables of another release are left aside.
  [[nodiscard]] bool agrees_with(const std::vector<TableHash>& theirs) const;
  // Says that all rows so far came from one snapshot of `index`; for those who load row by row with change().
  void loaded_at(std::uint64_t index) { base_index_ = index_ = index; }
  // Says that nothing changed up to `index` (a heartbeat). REQUIRES index >= this->index().
  void advance(std::uint64_t index);

  // --- nodes
  [[nodiscard]] const Node* node(std::string_view id) const;
  [[nodiscard]] const Node* node_by_name(std::string_view name) const;
  [[nodiscard]] std::vector<const Node*> nodes() const;  // in order of name
  // In order of service id; `id` of the node.
  [[nodiscard]] std::vector<const ServiceInstance*> instances_on(std::string_view node_id) const;
  [[nodiscard]] std::vector<const Check*> checks_on(std::string_view node_id) const;
  [[nodiscard]] std::size_t node_count() const { return nodes_.size(); }

  // --- services
  [[nodiscard]] std::vector<ServiceSummary> services() const;  // in order of folded name
  [[nodiscard]] bool has_service(std::string_view name) const;
  // In order of node id and service id. Instances whose node has no row are left out.
  [[nodiscard]] std::vector<InstanceView> instances_of(std::string_view service) const;
  [[nodiscard]] const ServiceInstance* instance(std::string_view node_id, std::string_view service_id) const;
  [[nodiscard]] std::size_t instance_count() const { return instances_.size(); }

  // --- checks
  [[nodiscard]] const Check* check(std::string_view node_id, std::string_view check_id) const;
  // Of all nodes; no status: any.
  [[nodiscard]] std::vector<const Check*> checks_in(std::optional<CheckStatus> status) const;
  // The checks of the service's instances, without those of their nodes.
  [[nodiscard]] std::vector<const Check*> checks_of_service(std::string_view service) const;

  // --- mesh names, intentions, roots
  // Null also for a name that no instance has any more (its address is in quarantine).
  [[nodiscard]] const Name* mesh_name(std::string_view service) const;
  // By mesh address, IPv4 in host byte order (mesh_address_value).
  [[nodiscard]] const Name* mesh_name_at(std::uint32_t address) const;
  [[nodiscard]] std::vector<const Name*> mesh_names() const;  // in order of name, without those in quarantine
  // Every row, those in quarantine too: for the state machine.
  [[nodiscard]] const RowTable<Name>& name_rows() const { return names_; }
  [[nodiscard]] bool address_taken(std::uint32_t address) const { return by_address_.contains(address); }
  // The lowest address in [first, last] that no row has. Linear in the number of names.
  [[nodiscard]] std::optional<std::uint32_t> lowest_free_address(std::uint32_t first, std::uint32_t last) const;

  [[nodiscard]] const Intention* intention(std::string_view id) const;
  // The one for this very pair, in any case; linear. Null: there is none.
  [[nodiscard]] const Intention* intention_between(std::string_view source, std::string_view destination) const;
  [[nodiscard]] std::vector<const Intention*> intentions() const;  // in order of id
  [[nodiscard]] std::vector<const CaRoot*> roots() const;
  [[nodiscard]] const Cluster* cluster() const { return cluster_.find({}); }  // null before cluster init
  // What no intention decides; Deny before cluster init.
  [[nodiscard]] IntentionAction default_action() const;

  // --- servers
  [[nodiscard]] std::vector<const Server*> servers() const;  // in order of id
  [[nodiscard]] const Server* server(std::uint64_t server_id) const { return servers_.find(server_key(server_id)); }
  [[nodiscard]] const Server* server_on(std::string_view node_id) const;  // linear: a cluster has few
  [[nodiscard]] const RowTable<Server>& server_rows() const { return servers_; }

  // --- nodes that were removed, while certificates of them may be valid
  [[nodiscard]] std::vector<const Removal*> removals() const;  // in order of node id
  [[nodiscard]] const Removal* removal(std::string_view node_id) const { return removals_.find(node_id); }

  // --- indexes for blocking queries
  [[nodiscard]] std::uint64_t nodes_index() const { return floor(nodes_index_); }
  [[nodiscard]] std::uint64_t node_index(std::string_view name_or_id) const;         // its row and instances
  [[nodiscard]] std::uint64_t node_checks_index(std::string_view name_or_id) const;  // its row and checks
  [[nodiscard]] std::uint64_t services_index() const { return floor(services_index_); }  // names and tags
  [[nodiscard]] std::uint64_t service_index(std::string_view name) const;  // instances and their nodes
  [[nodiscard]] std::uint64_t service_health_index(std::string_view name) const;  // the same and all checks joined
  [[nodiscard]] std::uint64_t checks_index() const { return floor(checks_index_); }
  [[nodiscard]] std::uint64_t mesh_names_index() const { return floor(names_index_); }
  [[nodiscard]] std::uint64_t intentions_index() const { return floor(intentions_index_); }
  [[nodiscard]] std::uint64_t roots_index() const { return floor(roots_index_); }
  [[nodiscard]] std::uint64_t cluster_index() const { return floor(cluster_index_); }
  [[nodiscard]] std::uint64_t servers_index() const { return floor(servers_index_); }
  [[nodiscard]] std::uint64_t removals_index() const { return floor(removals_index_); }

  // --- rows, for snapshots
  // Where a walk over all rows stands. Start with a default one.
  struct RowCursor {
    TableId table = kTableNodes;
    Bytes after;  // the last key handed out of that table
    bool done = false;
  };
  // The next rows in table and key order, at least one and about bytes_max of values; empty at the end.
  [[nodiscard]] std::vector<RowChange> next_rows(RowCursor& cursor, std::size_t bytes_max) const;

 private:
  // Of one service that has instances, by folded name.
  struct ServiceState {
    std::shared_ptr<const ServiceTags> tags;
    std::uint64_t index = 0;
    std::uint64_t health_index = 0;
  };
  struct NodeState {
    std::uint64_t index = 0;
    std::uint64_t checks_index = 0;
  };

  template <class T>
  Status change_in(RowTable<T>& table, const RowChange& row, std::uint64_t index);
  template <class T>
  void next_rows_of(const RowTable<T>& table, TableId id, RowCursor& cursor, std::size_t bytes_max,
                    std::vector<RowChange>& out) const;
  void on_change(const RowTable<Node>::Change& change, std::uint64_t index);
  void on_change(const RowTable<ServiceInstance>::Change& change, std::uint64_t index);
  void on_change(const RowTable<Check>::Change& change, std::uint64_t index);
  void on_change(const RowTable<Name>::Change& change, std::uint64_t index);
  void on_change(const RowTable<Intention>::Change& change, std::uint64_t index);
  void on_change(const RowTable<CaRoot>::Change& change, std::uint64_t index);
  void on_change(const RowTable<Cluster>::Change& change, std::uint64_t index);
  void on_change(const RowTable<Server>::Change& change, std::uint64_t index);
  void on_change(const RowTable<Removal>::Change& change, std::uint64_t index);

  void drop_instance(const ServiceInstance& instance, std::uint64_t index);
  void add_instance(const ServiceInstance& instance, std::uint64_t index);
  [[nodiscard]] std::shared_ptr<const ServiceTags> listing(
      const std::shared_ptr<const ServiceInstance>& instance) const;
  void touch_node(const NodeId& id, std::uint64_t index, std::uint64_t NodeState::*which);
  void touch_services_on(const NodeId& id, std::uint64_t index, bool rows_too);
  void touch_checked(const Check& check, std::uint64_t index);
  void touch_health(std::string_view service, std::uint64_t index);

  [[nodiscard]] const NodeState* node_state(std::string_view name_or_id) const;
  [[nodiscard]] std::uint64_t floor(std::uint64_t index) const;
  template <class Visitor>
  void each_instance_of(std::string_view service, Visitor visit) const;
  void join_checks(InstanceView& view) const;

  RowTable<Node> nodes_;
  RowTable<ServiceInstance> instances_;
  RowTable<Check> checks_;
  RowTable<Name> names_;
  RowTable<Intention> intentions_;
  RowTable<CaRoot> roots_;
  RowTable<Cluster> cluster_;
  RowTable<Server> servers_;
  RowTable<Removal> removals_;

  // Derived from the rows.
  PersistentMap<std::string, NodeId> node_ids_;  // by folded name
  PersistentMap<std::string, NodeState> node_states_;
  PersistentMap<std::string, ServiceState> services_;
  PersistentMap<Bytes, std::shared_ptr<const ServiceInstance>>
      by_service_;                                                  // folded name, 0x00, instance key
  PersistentMap<Bytes, std::shared_ptr<const Check>> by_instance_;  // instance key, 0x00, folded check id
  PersistentMap<std::uint32_t, std::shared_ptr<const Name>> by_address_;

  std::uint64_t index_ = 0;
  std::uint64_t base_index_ = 0;  // of the first snapshot: the least that any index is
  std::array<std::uint64_t, kTableCatalogKnown.value() + 1> hashes_{};  // by table id
  std::uint64_t nodes_index_ = 0;
  std::uint64_t nodes_gone_index_ = 0;
  std::uint64_t services_index_ = 0;
  std::uint64_t services_gone_index_ = 0;
  std::uint64_t checks_index_ = 0;
  std::uint64_t names_index_ = 0;
  std::uint64_t intentions_index_ = 0;
  std::uint64_t roots_index_ = 0;
  std::uint64_t cluster_index_ = 0;
  std::uint64_t servers_index_ = 0;
  std::uint64_t removals_index_ = 0;
};

// "127.128.0.5" as a number in host byte order; none if it is no IPv4 address in decimal.
[[nodiscard]] std::optional<std::uint32_t> mesh_address_value(std::string_view text);
[[nodiscard]] std::string mesh_address_text(std::uint32_t value);

}  // namespace mesh::model
