// The Zone over one version of the replicated catalog. Belongs to the loop that answers DNS: the index for reverse names
// is made by the first question that needs it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "agent/dns/zone.h"
#include "model/catalog.h"

namespace mesh::dns {

class CatalogZone final : public Zone {
 public:
  explicit CatalogZone(model::Catalog catalog) : catalog_(std::move(catalog)) {}

  [[nodiscard]] std::uint32_t serial() const override;
  void instances(std::string_view service, std::vector<Instance>& out) const override;
  [[nodiscard]] std::optional<Node> node(std::string_view name) const override;
  [[nodiscard]] std::optional<std::string_view> mesh_address(std::string_view service) const override;
  void names_of(std::string_view address, std::vector<std::string>& out) const override;

 private:
  using Names = std::unordered_multimap<std::string_view, std::string>;
  [[nodiscard]] const Names& reverse_names() const;

  model::Catalog catalog_;
  mutable std::optional<Names> reverse_names_;
};

}  // namespace mesh::dns
