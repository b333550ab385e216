// JSON objects of Consul's API that join several rows. Pure; any thread. Rows that stand alone are written by their
// tables (base/message_json.h).
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "base/json.h"
#include "base/result.h"
#include "agent/http_api/target.h"
#include "agent/member.h"
#include "model/catalog.h"

namespace mesh::agent {

// HealthCheck: the row with the node's name and the tags of its instance.
struct CheckShape {
  const model::Check& check;
  std::string_view node;
  std::span<const std::string> service_tags;
};
void write_check(JsonWriter& out, const CheckShape& shape);
// The same with both looked up.
void write_check(JsonWriter& out, const model::Catalog& catalog, const model::Check& check);

// {"Node": ..., "Service": ..., "Checks": [...]} of health/service.
void write_health_entry(JsonWriter& out, const model::InstanceView& view);
// The flat object of catalog/service.
void write_catalog_service(JsonWriter& out, const model::InstanceView& view);
// An entry of agent/members.
void write_member(JsonWriter& out, const Member& member, std::string_view datacenter);
// What the catalog says of a node as such an entry, for agents that do not gossip.
[[nodiscard]] Member member_of(const model::Catalog& catalog, const model::Node& node);

// The parameters node-meta, tag and passing as a predicate.
class Selection {
 public:
  // Invalid: a node-meta without its colon, or a filter (not offered, and never silently ignored).
  [[nodiscard]] static Result<Selection> of(const Target& target);

  [[nodiscard]] bool has(const model::Node& node) const;
  [[nodiscard]] bool has(const model::InstanceView& view) const;

 private:
  std::vector<std::pair<std::string, std::string>> node_meta_;
  std::vector<std::string> tags_;
  bool passing_ = false;
};

}  // namespace mesh::agent
