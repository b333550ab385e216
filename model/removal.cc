#include "model/removal.h"

namespace mesh::model {

MESH_MESSAGE_TABLE(Removal, MESH_REMOVAL_FIELDS)

}  // namespace mesh::model
