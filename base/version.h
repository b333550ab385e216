// The version of this release; from meson.build.
#pragma once

#include <string_view>

namespace mesh {

inline constexpr std::string_view kVersion = MESH_VERSION;

}  // namespace mesh
