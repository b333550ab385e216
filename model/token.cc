#include "model/token.h"

#include "model/names.h"

namespace mesh::model {

MESH_ENUM_TABLE(JoinKind, MESH_JOIN_KIND_VALUES)
MESH_MESSAGE_TABLE(JoinToken, MESH_JOIN_TOKEN_FIELDS)
MESH_MESSAGE_TABLE(ManagementToken, MESH_MANAGEMENT_TOKEN_FIELDS)

bool service_allowed(const std::vector<std::string>& patterns, std::string_view service) {
  for (const std::string_view pattern : patterns) {
    const bool prefix = pattern.ends_with('*');
    const std::string_view fixed = pattern.substr(0, pattern.size() - (prefix ? 1 : 0));
    if (same_name(fixed, prefix ? service.substr(0, fixed.size()) : service)) return true;
  }
  return false;
}

}  // namespace mesh::model
