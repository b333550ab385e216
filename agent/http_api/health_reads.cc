// Handlers that read health: checks, and instances with their checks.
#include "agent/http_api/reading.h"
#include "agent/http_api/routes.h"
#include "agent/http_api/shapes.h"

namespace mesh::agent {
namespace {

void write_checks(Reading& reading, const Selection& selection, const std::vector<const model::Check*>& checks) {
  JsonWriter& out = reading.json();
  out.begin_list();
  for (const model::Check* check : checks) {
    const model::Node* node = reading.catalog().node(check->node_id);
    if (node != nullptr && selection.has(*node)) write_check(out, reading.catalog(), *check);
  }
  out.end_list();
}

Result<std::optional<model::CheckStatus>> state_of(const std::string& text) {
  if (text == "any") return std::optional<model::CheckStatus>();
  if (const auto status = enum_from_text<model::CheckStatus>(text)) return status;
  return error(Code::Invalid, "state: \"{}\" is none of any, passing, warning, critical", text);
}

}  // namespace

Status handlers::health_node(Reading& reading) {
  MESH_TRY(selection, Selection::of(reading.target()));
  const std::string& name = reading.argument(0);
  if (!reading.newer(reading.catalog().node_checks_index(name))) return {};
  const model::Node* node = reading.catalog().node_by_name(name);
  if (node == nullptr) node = reading.catalog().node(name);
  write_checks(reading, selection,
               node != nullptr ? reading.catalog().checks_on(node->id) : std::vector<const model::Check*>());
  return {};
}

Status handlers::health_checks(Reading& reading) {
  MESH_TRY(selection, Selection::of(reading.target()));
  const std::string& service = reading.argument(0);
  if (!reading.newer(reading.catalog().service_health_index(service))) return {};
  write_checks(reading, selection, reading.catalog().checks_of_service(service));
  return {};
}

Status handlers::health_service(Reading& reading) {
  MESH_TRY(selection, Selection::of(reading.target()));
  const std::string& service = reading.argument(0);
  if (!reading.newer(reading.catalog().service_health_index(service))) return {};
  JsonWriter& out = reading.json();
  out.begin_list();
  for (const model::InstanceView& view : reading.catalog().instances_of(service)) {
    if (selection.has(view)) write_health_entry(out, view);
  }
  out.end_list();
  return {};
}

Status handlers::health_state(Reading& reading) {
  MESH_TRY(selection, Selection::of(reading.target()));
  MESH_TRY(state, state_of(reading.argument(0)));
  if (!reading.newer(reading.catalog().checks_index())) return {};
  write_checks(reading, selection, reading.catalog().checks_in(state));
  return {};
}

}  // namespace mesh::agent
