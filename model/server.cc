#include "model/server.h"

namespace mesh::model {

MESH_MESSAGE_TABLE(Server, MESH_SERVER_FIELDS)

Bytes server_key(std::uint64_t server_id) {
  Bytes key;
  append_be64(key, server_id);
  return key;
}

}  // namespace mesh::model
