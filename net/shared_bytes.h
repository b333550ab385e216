// Bytes encoded once and sent to many: immutable, shared by count, any thread.
#pragma once

#include <memory>

#include "base/bytes.h"

namespace mesh::net {

using SharedBytes = std::shared_ptr<const Bytes>;

[[nodiscard]] inline SharedBytes share(Bytes bytes) { return std::make_shared<const Bytes>(std::move(bytes)); }

}  // namespace mesh::net
