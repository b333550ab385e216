// Removal: a node that was removed from the mesh (it left, or an operator took it out) while certificates of it may still be
// valid: the revocation list that every agent has. A removed node never comes back under its id. Plain value; any thread.
#pragma once

#include "base/message.h"
#include "model/ids.h"
#include "model/row.h"

namespace mesh::model {

#define MESH_REMOVAL_FIELDS(F)                                                                       \
  F(1, NodeId, node_id, "NodeID", "key of the row")                                                  \
  F(2, std::string, name, "Name", "of the node when it was removed")                                 \
  F(3, WallTime, removed_at, "RemovedAt", "command time", kOutput)                                   \
  F(4, WallTime, until, "Until", "all its certificates have run out; a later removal takes the row away", kOutput) \
  MESH_ROW_FIELDS(F)
struct Removal {
  MESH_MESSAGE(Removal, MESH_REMOVAL_FIELDS)
};

}  // namespace mesh::model
