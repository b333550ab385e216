#include "model/kv.h"

namespace mesh::model {

MESH_MESSAGE_TABLE(KvEntry, MESH_KV_ENTRY_FIELDS)

}  // namespace mesh::model
