// Handlers that read nodes and services of the catalog. Each says its index first (Reading::newer).
#include <algorithm>
#include <map>
#include <set>

#include "agent/http_api/reading.h"
#include "agent/http_api/routes.h"
#include "agent/http_api/shapes.h"
#include "base/message_json.h"
#include "model/names.h"

namespace mesh::agent {
namespace {

void write_tags(JsonWriter& out, const std::string& service, const auto& tags) {
  out.key(service);
  out.begin_list();
  for (const std::string& tag : tags) out.string(tag);
  out.end_list();
}

// Names and tags on the nodes that are selected; only for node-meta, which the catalog's own list does not know.
void write_services_of(JsonWriter& out, const model::Catalog& catalog, const Selection& selection) {
  std::map<std::string, std::set<std::string>, model::NameLess> services;
  for (const model::Node* node : catalog.nodes()) {
    if (!selection.has(*node)) continue;
    for (const model::ServiceInstance* instance : catalog.instances_on(node->id)) {
      services[instance->name].insert(instance->tags.begin(), instance->tags.end());
    }
  }
  for (const auto& [name, tags] : services) write_tags(out, name, tags);
}

const model::Node* find_node(const model::Catalog& catalog, const std::string& name_or_id) {
  const model::Node* node = catalog.node_by_name(name_or_id);
  return node != nullptr ? node : catalog.node(name_or_id);
}

}  // namespace

Status handlers::catalog_nodes(Reading& reading) {
  MESH_TRY(selection, Selection::of(reading.target()));
  if (!reading.newer(reading.catalog().nodes_index())) return {};
  JsonWriter& out = reading.json();
  out.begin_list();
  for (const model::Node* node : reading.catalog().nodes()) {
    if (selection.has(*node)) write_json(out, *node);
  }
  out.end_list();
  return {};
}

Status handlers::catalog_services(Reading& reading) {
  MESH_TRY(selection, Selection::of(reading.target()));
  const bool by_meta = reading.target().query.has("node-meta");
  const model::Catalog& catalog = reading.catalog();
  const std::uint64_t index = catalog.services_index();
  if (!reading.newer(by_meta ? std::max(index, catalog.nodes_index()) : index)) return {};
  JsonWriter& out = reading.json();
  out.begin_object();
  if (by_meta) {
    write_services_of(out, catalog, selection);
  } else {
    for (const model::ServiceSummary& service : catalog.services()) write_tags(out, service.name, service.tags);
  }
  out.end_object();
  return {};
}

Status handlers::catalog_service(Reading& reading) {
  MESH_TRY(selection, Selection::of(reading.target()));
  const std::string& service = reading.argument(0);
  if (!reading.newer(reading.catalog().service_index(service))) return {};
  JsonWriter& out = reading.json();
  out.begin_list();
  for (const model::InstanceView& view : reading.catalog().instances_of(service)) {
    if (selection.has(view)) write_catalog_service(out, view);
  }
  out.end_list();
  return {};
}

// An unknown node is null, not an error.
Status handlers::catalog_node(Reading& reading) {
  MESH_TRY_STATUS(Selection::of(reading.target()));
  if (!reading.newer(reading.catalog().node_index(reading.argument(0)))) return {};
  JsonWriter& out = reading.json();
  const model::Node* node = find_node(reading.catalog(), reading.argument(0));
  if (node == nullptr) {
    out.null();
    return {};
  }
  out.begin_object();
  out.key("Node");
  write_json(out, *node);
  out.key("Services");
  out.begin_object();
  for (const model::ServiceInstance* instance : reading.catalog().instances_on(node->id)) {
    out.key(instance->id);
    write_json(out, *instance);
  }
  out.end_object();
  out.end_object();
  return {};
}

Status handlers::catalog_node_services(Reading& reading) {
  MESH_TRY_STATUS(Selection::of(reading.target()));
  if (!reading.newer(reading.catalog().node_index(reading.argument(0)))) return {};
  JsonWriter& out = reading.json();
  const model::Node* node = find_node(reading.catalog(), reading.argument(0));
  out.begin_object();
  out.key("Node");
  node != nullptr ? write_json(out, *node) : out.null();
  out.key("Services");
  out.begin_list();
  if (node != nullptr) {
    for (const model::ServiceInstance* instance : reading.catalog().instances_on(node->id)) write_json(out, *instance);
  }
  out.end_list();
  out.end_object();
  return {};
}

}  // namespace mesh::agent
