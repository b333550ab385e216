#include "agent/dns/catalog_zone.h"

#include <algorithm>

namespace mesh::dns {
namespace {

Health health_of(model::CheckStatus status) {
  switch (status) {
    case model::CheckStatus::Passing: return Health::Passing;
    case model::CheckStatus::Warning: return Health::Warning;
    case model::CheckStatus::Critical: return Health::Critical;
  }
  return Health::Critical;
}

std::uint16_t weight_of(const model::InstanceView& view) {
  const model::Weights& weights = view.instance->weights;
  const std::uint32_t weight = view.status == model::CheckStatus::Warning ? weights.warning : weights.passing;
  return static_cast<std::uint16_t>(std::min<std::uint32_t>(weight, 0xffff));
}

}  // namespace

std::uint32_t CatalogZone::serial() const { return static_cast<std::uint32_t>(catalog_.index()); }

void CatalogZone::instances(std::string_view service, std::vector<Instance>& out) const {
  for (const model::InstanceView& view : catalog_.instances_of(service)) {
    out.push_back({.node = view.node->name,
                   .node_address = view.node->address,
                   .address = view.instance->address,
                   .port = view.instance->port,
                   .weight = weight_of(view),
                   .health = health_of(view.status),
                   .tags = view.instance->tags});
  }
}

std::optional<Node> CatalogZone::node(std::string_view name) const {
  const model::Node* node = catalog_.node_by_name(name);
  if (node == nullptr) return std::nullopt;
  return Node{node->name, node->address, &node->meta};
}

std::optional<std::string_view> CatalogZone::mesh_address(std::string_view service) const {
  const model::Name* name = catalog_.mesh_name(service);
  if (name == nullptr) return std::nullopt;
  return name->address;
}

void CatalogZone::names_of(std::string_view address, std::vector<std::string>& out) const {
  if (const auto value = model::mesh_address_value(address)) {
    if (const model::Name* name = catalog_.mesh_name_at(*value)) {
      out.push_back(name->service);
      return;
    }
  }
  const auto [first, last] = reverse_names().equal_range(address);
  for (auto each = first; each != last; ++each) out.push_back(each->second);
}

// Addresses of nodes and own addresses of instances; about a microsecond per node, once per version that is asked.
const CatalogZone::Names& CatalogZone::reverse_names() const {
  if (reverse_names_) return *reverse_names_;
  Names names;
  for (const model::Node* node : catalog_.nodes()) {
    names.emplace(node->address, node->name + ".node." + node->datacenter);
    for (const model::ServiceInstance* instance : catalog_.instances_on(node->id.text())) {
      if (!instance->address.empty()) names.emplace(instance->address, instance->name + ".service");
    }
  }
  return reverse_names_.emplace(std::move(names));
}

}  // namespace mesh::dns
