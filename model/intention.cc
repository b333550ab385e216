#include "model/intention.h"

namespace mesh::model {

MESH_ENUM_TABLE(IntentionAction, MESH_INTENTION_ACTION_VALUES)
MESH_MESSAGE_TABLE(HeaderMatch, MESH_HEADER_MATCH_FIELDS)
MESH_MESSAGE_TABLE(HttpMatch, MESH_HTTP_MATCH_FIELDS)
MESH_MESSAGE_TABLE(Permission, MESH_PERMISSION_FIELDS)
MESH_MESSAGE_TABLE(Intention, MESH_INTENTION_FIELDS)

std::uint32_t intention_precedence(std::string_view source, std::string_view destination) {
  if (destination != kAnyService) return source != kAnyService ? 9 : 8;
  return source != kAnyService ? 6 : 5;
}

}  // namespace mesh::model
