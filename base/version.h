// The version of this release; from meson.build.
#pragma once

#include <string_view>

namespace mesh {

[[nodiscard]] std::string_view version();

}  // namespace mesh
