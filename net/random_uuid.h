// A UUID from the kernel's generator, as text: unpredictable, so also the secret of a management token. Any thread.
#pragma once

#include <string>

#include "base/uuid.h"
#include "net/crypto.h"

namespace mesh::net {

[[nodiscard]] inline std::string random_uuid() {
  Uuid::Raw raw{};
  fill_random(raw);
  return Uuid::from_random(raw).to_string();
}

}  // namespace mesh::net
