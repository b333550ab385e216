#include "model/node.h"

namespace mesh::model {

MESH_MESSAGE_TABLE(Node, MESH_NODE_FIELDS)

}  // namespace mesh::model
