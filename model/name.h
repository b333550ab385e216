// The mesh name of a service: its stable address, the same on every host, and the ports that answer there. Every agent
// holds all of these, so the row is small. Plain value; any thread.
#pragma once

#include "base/message.h"
#include "model/row.h"
#include "model/service.h"

namespace mesh::model {

#define MESH_NAME_PORT_FIELDS(F)                                                                             \
  F(1, std::uint16_t, mesh_port, "MeshPort", "at the mesh address")                                          \
  F(2, std::string, name, "Name", "of the service's port that it leads to")                                  \
  F(3, Protocol, protocol, "Protocol", "")
struct NamePort {
  MESH_MESSAGE(NamePort, MESH_NAME_PORT_FIELDS)
};

#define MESH_NAME_FIELDS(F)                                                                                  \
  F(1, std::string, service, "Service", "lower case")                                                        \
  F(2, std::string, address, "Address", "mesh address, inside 127.128.0.0/10")                               \
  F(3, ListOf<NamePort>, ports, "Ports", "by mesh_port ascending")                                           \
  F(4, std::optional<WallTime>, released_at, "ReleasedAt", "no instance since; the address stays in quarantine") \
  MESH_ROW_FIELDS(F)
struct Name {
  MESH_MESSAGE(Name, MESH_NAME_FIELDS)
};

}  // namespace mesh::model
