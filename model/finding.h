// What `meshctl doctor` tells: one thing that was looked at on a host, and how it is. Plain values; any thread.
#pragma once

#include "base/message.h"

namespace mesh::model {

#define MESH_FINDING_LEVEL_VALUES(E) E(0, Ok, "ok") E(1, Warning, "warning") E(2, Error, "error")
MESH_ENUM(FindingLevel, std::uint8_t, MESH_FINDING_LEVEL_VALUES)

#define MESH_FINDING_FIELDS(F)                                                       \
  F(1, FindingLevel, level, "Level", "ok, warning or error")                         \
  F(2, std::string, check, "Check", "what was looked at: ports, clock, dns, ...")    \
  F(3, std::string, where, "Where", "port, file, server or service")                 \
  F(4, std::string, what, "What", "how it is")                                       \
  F(5, std::string, fix, "Fix", "what to do; empty if nothing")
struct Finding {
  MESH_MESSAGE(Finding, MESH_FINDING_FIELDS)
};

#define MESH_DIAGNOSIS_FIELDS(F)                                                     \
  F(1, std::string, node, "Node", "of the host")                                     \
  F(2, ListOf<Finding>, findings, "Findings", "in the order of looking")
struct Diagnosis {
  MESH_MESSAGE(Diagnosis, MESH_DIAGNOSIS_FIELDS)
};

}  // namespace mesh::model
