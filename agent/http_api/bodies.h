// Bodies of requests that are no product type: what Consul's clients send. Values; any thread.
#pragma once

#include <optional>
#include <string>

#include "base/message.h"
#include "model/check.h"
#include "model/node.h"
#include "model/service.h"

namespace mesh::agent {

#define MESH_CATALOG_REGISTRATION_FIELDS(F)                                                             \
  F(1, std::string, datacenter, "Datacenter", "default: the agent's")                                   \
  F(2, model::NodeId, id, "ID", "of the node; default: that of the node with this name, or a new one")  \
  F(3, std::string, node, "Node", "required")                                                           \
  F(4, std::string, address, "Address", "required unless SkipNodeUpdate")                               \
  F(5, MapOf<std::string>, tagged_addresses, "TaggedAddresses", "of the node")                          \
  F(6, MapOf<std::string>, node_meta, "NodeMeta|Meta", "of the node")                                   \
  F(7, std::optional<model::ServiceDefinition>, service, "Service", "an instance on the node")          \
  F(8, std::optional<model::Check>, check, "Check", "of the node or, with ServiceID, of an instance")   \
  F(9, ListOf<model::Check>, checks, "Checks", "further checks")                                        \
  F(10, bool, skip_node_update, "SkipNodeUpdate", "leave an existing node as it is")
struct CatalogRegistration {
  MESH_MESSAGE(CatalogRegistration, MESH_CATALOG_REGISTRATION_FIELDS)
};

#define MESH_CATALOG_DEREGISTRATION_FIELDS(F)                                  \
  F(1, std::string, datacenter, "Datacenter", "default: the agent's")          \
  F(2, std::string, node, "Node", "required; name or id")                      \
  F(3, std::string, service_id, "ServiceID", "only this instance")             \
  F(4, std::string, check_id, "CheckID", "only this check")
struct CatalogDeregistration {
  MESH_MESSAGE(CatalogDeregistration, MESH_CATALOG_DEREGISTRATION_FIELDS)
};

#define MESH_CHECK_STATUS_BODY_FIELDS(F)                                                  \
  F(1, std::optional<model::CheckStatus>, status, "Status", "required")                   \
  F(2, std::string, output, "Output", "cut at a limit")
struct CheckStatusBody {
  MESH_MESSAGE(CheckStatusBody, MESH_CHECK_STATUS_BODY_FIELDS)
};

}  // namespace mesh::agent
