// A host of the mesh, as the catalog knows it. JSON is Consul's catalog node. Plain value; any thread.
#pragma once

#include "base/message.h"
#include "model/ids.h"
#include "model/row.h"

namespace mesh::model {

#define MESH_NODE_FIELDS(F)                                                                                  \
  F(1, NodeId, id, "ID", "UUID, bound to the node's key")                                                    \
  F(2, std::string, name, "Node|Name", "unique in the datacenter, compared without case")                    \
  F(3, std::string, address, "Address", "IP address other hosts use")                                        \
  F(4, std::string, datacenter, "Datacenter", "where the node is")                                           \
  F(5, MapOf<std::string>, tagged_addresses, "TaggedAddresses", "further addresses by name: lan, wan, ...")  \
  F(6, MapOf<std::string>, meta, "Meta|NodeMeta", "free pairs")                                              \
  F(7, std::uint16_t, mesh_port, "MeshPort", "port of the node's inbound mesh listener; 0: no mesh", kOmitEmpty) \
  F(8, std::string, version, "Version", "of the agent that wrote the row", kOmitEmpty)                       \
  MESH_ROW_FIELDS(F)

struct Node {
  MESH_MESSAGE(Node, MESH_NODE_FIELDS)
};

}  // namespace mesh::model
