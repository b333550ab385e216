// Handlers that read what is on this agent.
#include <algorithm>

#include "agent/http_api/reading.h"
#include "agent/http_api/routes.h"
#include "agent/http_api/shapes.h"
#include "base/message_json.h"
#include "base/version.h"

namespace mesh::agent {
namespace {

Status refuse_filter(const Target& target) {
  auto selection = Selection::of(target);
  if (!selection.ok()) return std::move(selection).error();
  return {};
}

void write_pair(JsonWriter& out, std::string_view key, std::string_view value) {
  out.key(key);
  out.string(value);
}

void write_config(JsonWriter& out, const AgentView& view) {
  out.begin_object();
  write_pair(out, "Datacenter", view.datacenter);
  write_pair(out, "PrimaryDatacenter", view.datacenter);
  write_pair(out, "NodeName", view.local.node().name);
  write_pair(out, "NodeID", view.local.node().id);
  write_pair(out, "Revision", "");
  write_pair(out, "Version", version());
  out.end_object();
}

// Consul writes all of these as text.
void write_stats(JsonWriter& out, const AgentView& view) {
  out.begin_object();
  out.key("agent");
  out.begin_object();
  write_pair(out, "checks", std::to_string(view.local.checks().size()));
  write_pair(out, "services", std::to_string(view.local.services().size()));
  out.end_object();
  out.key("mesh");
  out.begin_object();
  write_pair(out, "catalog_index", std::to_string(view.catalog.index()));
  write_pair(out, "connected", view.connected ? "true" : "false");
  write_pair(out, "domain", view.domain);
  write_pair(out, "leader_addr", view.leader);
  out.end_object();
  out.end_object();
}

void write_local_service(JsonWriter& out, const AgentView& view, const model::ServiceInstance& instance) {
  out.begin_object();
  write_members(out, instance);
  write_pair(out, "Datacenter", view.datacenter);
  out.end_object();
}

// This agent's own entry.
Member own_member(const AgentView& view) {
  if (view.members != nullptr && !view.members->empty()) return view.members->front();
  Member own = member_of(view.catalog, view.local.node());
  own.status = MemberStatus::Alive;
  return own;
}

}  // namespace

Status handlers::agent_self(Reading& reading) {
  const AgentView& view = reading.view();
  JsonWriter& out = reading.json();
  out.begin_object();
  out.key("Config");
  write_config(out, view);
  out.key("DebugConfig");
  out.begin_object();
  out.end_object();
  out.key("Member");
  write_member(out, own_member(view), view.datacenter);
  out.key("Stats");
  write_stats(out, view);
  out.key("Meta");
  out.begin_object();
  for (const auto& [key, value] : view.local.node().meta) write_pair(out, key, value);
  out.end_object();
  out.end_object();
  return {};
}

Status handlers::agent_members(Reading& reading) {
  const AgentView& view = reading.view();
  JsonWriter& out = reading.json();
  out.begin_list();
  if (!reading.target().flag("wan")) {
    if (view.members != nullptr) {
      for (const Member& member : *view.members) write_member(out, member, view.datacenter);
    } else {
      for (const model::Node* node : view.catalog.nodes()) write_member(out, member_of(view.catalog, *node), view.datacenter);
    }
  }
  out.end_list();
  return {};
}

Status handlers::agent_services(Reading& reading) {
  MESH_TRY_STATUS(refuse_filter(reading.target()));
  JsonWriter& out = reading.json();
  out.begin_object();
  for (const auto& [id, service] : reading.view().local.services()) {
    out.key(id);
    write_local_service(out, reading.view(), service.instance);
  }
  out.end_object();
  return {};
}

Status handlers::agent_service(Reading& reading) {
  const auto found = reading.view().local.services().find(reading.argument(0));
  if (found == nullptr) return error(Code::NotFound, "unknown service ID: {}", reading.argument(0));
  write_local_service(reading.json(), reading.view(), found->instance);
  return {};
}

Status handlers::agent_checks(Reading& reading) {
  MESH_TRY_STATUS(refuse_filter(reading.target()));
  const LocalState& local = reading.view().local;
  JsonWriter& out = reading.json();
  out.begin_object();
  for (const auto& [id, check] : local.checks()) {
    const LocalService* service = check.row.service_id.empty() ? nullptr : local.services().find(check.row.service_id);
    out.key(id);
    write_check(out, CheckShape{.check = check.row,
                                .node = local.node().name,
                                .service_tags = service != nullptr
                                                    ? std::span<const std::string>(service->instance.tags)
                                                    : std::span<const std::string>()});
  }
  out.end_object();
  return {};
}

Status handlers::catalog_datacenters(Reading& reading) {
  JsonWriter& out = reading.json();
  out.begin_list();
  out.string(reading.view().datacenter);
  out.end_list();
  return {};
}

}  // namespace mesh::agent
