// Precompiled header: what nearly every file includes. No header may rely on it (tests/lint compiles each alone).
#ifndef MESH_BASE_PCH_PCH_H
#define MESH_BASE_PCH_PCH_H

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>

#endif
