#include "model/authority.h"

namespace mesh::model {

MESH_MESSAGE_TABLE(Cluster, MESH_CLUSTER_FIELDS)
MESH_MESSAGE_TABLE(CaRoot, MESH_CA_ROOT_FIELDS)
MESH_MESSAGE_TABLE(SealedKey, MESH_SEALED_KEY_FIELDS)
MESH_MESSAGE_TABLE(Leaf, MESH_LEAF_FIELDS)

}  // namespace mesh::model
