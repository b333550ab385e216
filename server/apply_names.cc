// Mesh names: the stable address of each service.
#include <map>
#include <optional>

#include "model/names.h"
#include "server/apply.h"

namespace mesh::server {

namespace {

constexpr std::uint16_t kHttpPort = 80;

// By mesh port; the first instance (in order of node and id) that claims a port has it. The main port of an
// http service answers on 80 as well.
std::vector<model::NamePort> ports_of(const std::vector<model::InstanceView>& instances) {
  std::map<std::uint16_t, model::NamePort> ports;
  const auto add = [&](std::uint16_t mesh_port, const model::ServicePort& port) {
    model::NamePort entry;
    entry.mesh_port = mesh_port;
    entry.name = port.name;
    entry.protocol = port.protocol;
    if (mesh_port != 0) ports.try_emplace(mesh_port, std::move(entry));
  };
  for (const model::InstanceView& view : instances) {
    for (const model::ServicePort& port : view.instance->ports) add(model::mesh_port_of(port), port);
  }
  for (const model::InstanceView& view : instances) {
    const auto& declared = view.instance->ports;
    if (!declared.empty() && declared[0].protocol == model::Protocol::Http) add(kHttpPort, declared[0]);
  }
  std::vector<model::NamePort> out;
  for (auto& [mesh_port, port] : ports) out.push_back(std::move(port));
  return out;
}

// Quarantine ends here, when a new name looks for an address.
void drop_expired(Transaction& tx) {
  const model::Catalog before = tx.catalog();
  before.name_rows().each({}, [&](const Bytes& key, const model::Name& name) {
    if (name.released_at && *name.released_at + kQuarantine <= tx.time()) tx.erase(model::kTableNames, key);
  });
}

std::optional<std::uint32_t> allocate(Transaction& tx) {
  drop_expired(tx);
  const auto free = tx.catalog().lowest_free_address(kMeshAddressFirst, kMeshAddressLast);
  if (free != kMeshAddressDns) return free;
  return tx.catalog().lowest_free_address(kMeshAddressDns + 1, kMeshAddressLast);
}

}  // namespace

void update_mesh_name(Transaction& tx, std::string_view service) {
  if (!model::is_mesh_name(service)) return;
  const model::Catalog before = tx.catalog();
  const Bytes key = model::fold_name(service);
  const model::Name* existing = before.name_rows().find(key);
  const bool wanted = before.has_service(service);
  if (!wanted && (existing == nullptr || existing->released_at)) return;
  model::Name name = existing == nullptr ? model::Name{} : *existing;
  name.service = key;
  if (!wanted) {
    name.released_at = tx.time();
  } else {
    name.released_at.reset();
    name.ports = ports_of(before.instances_of(service));
  }
  if (existing == nullptr) {
    const auto address = allocate(tx);
    if (!address) return;
    name.address = model::mesh_address_text(*address);
  }
  tx.upsert(model::kTableNames, key, std::move(name), existing);
}

}  // namespace mesh::server
