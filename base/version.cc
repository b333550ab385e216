#include "base/version.h"

namespace mesh {

std::string_view version() { return MESH_VERSION; }

}  // namespace mesh
