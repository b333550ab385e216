// Handlers that write to the catalog through the servers, for what no agent owns.
#include "agent/http_api/bodies.h"
#include "agent/http_api/call.h"
#include "agent/http_api/routes.h"
#include "model/names.h"

namespace mesh::agent {
namespace {

Status complete_check(model::Check& check) {
  if (check.name.empty()) check.name = check.check_id;
  if (check.check_id.empty()) check.check_id = check.name;
  if (check.check_id.empty()) return error(Code::Invalid, "CheckID, Name: one of them is required");
  return {};
}

Result<model::ServiceInstance> instance_from(const model::ServiceDefinition& definition) {
  const auto faults = model::service_definition_faults(definition);
  if (!faults.empty()) return error(Code::Invalid, "Service: {}", faults.front());
  return model::instance_of(definition, model::NodeId());
}

Result<model::Node> node_from(const CatalogRegistration& body, std::string_view datacenter) {
  if (body.node.empty()) return error(Code::Invalid, "Node: required");
  if (body.address.empty() && !body.skip_node_update) return error(Code::Invalid, "Address: required");
  if (const auto fault = model::name_fault(body.node); !fault.empty()) {
    return error(Code::Invalid, "Node: \"{}\" {}", body.node, fault);
  }
  model::Node node;
  node.id = body.id;
  node.name = body.node;
  node.address = body.address;
  node.datacenter = datacenter;
  node.tagged_addresses = body.tagged_addresses;
  node.meta = body.node_meta;
  return node;
}

Result<model::RegisterCommand> command_of(CatalogRegistration body, std::string_view datacenter) {
  model::RegisterCommand command;
  MESH_TRY(node, node_from(body, datacenter));
  command.node = std::move(node);
  command.skip_node_update = body.skip_node_update;
  if (body.service) {
    MESH_TRY(instance, instance_from(*body.service));
    command.services.push_back(std::move(instance));
  }
  if (body.check) {
    MESH_TRY_STATUS(complete_check(*body.check).context("Check"));
    command.checks.push_back(std::move(*body.check));
  }
  for (std::size_t i = 0; i < body.checks.size(); ++i) {
    MESH_TRY_STATUS(complete_check(body.checks[i]).context("Checks[{}]", i));
    command.checks.push_back(std::move(body.checks[i]));
  }
  return command;
}

Result<model::DeregisterCommand> command_of(const CatalogDeregistration& body, std::string_view) {
  if (body.node.empty()) return error(Code::Invalid, "Node: required");
  model::DeregisterCommand command;
  command.node = body.node;
  command.service_id = body.service_id;
  command.check_id = body.check_id;
  return command;
}

template <class Body>
void write_from(std::unique_ptr<Call> call) {
  auto body = call->body_as<Body>();
  if (!body.ok()) return call->fail(body.error());
  if (const Status known = call->check_datacenter(body->datacenter); !known.ok()) return call->fail(known.error());
  auto command = command_of(std::move(body).value(), call->view().datacenter);
  if (!command.ok()) return call->fail(command.error());
  apply(std::move(call), model::make_command(std::move(command).value()));
}

}  // namespace

void handlers::catalog_register(std::unique_ptr<Call> call) { write_from<CatalogRegistration>(std::move(call)); }

void handlers::catalog_deregister(std::unique_ptr<Call> call) { write_from<CatalogDeregistration>(std::move(call)); }

}  // namespace mesh::agent
