#include "model/name.h"

namespace mesh::model {

MESH_MESSAGE_TABLE(NamePort, MESH_NAME_PORT_FIELDS)
MESH_MESSAGE_TABLE(Name, MESH_NAME_FIELDS)

}  // namespace mesh::model
