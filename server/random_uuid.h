// A UUID from the kernel's generator, as text: unpredictable, so also the secret of a management token. Any thread.
#pragma once

#include <algorithm>
#include <string>

#include "base/uuid.h"
#include "net/crypto.h"

namespace mesh::server {

[[nodiscard]] inline std::string random_uuid() {
  const Bytes bytes = net::random_bytes(sizeof(Uuid::Raw));
  Uuid::Raw raw{};
  std::copy(bytes.begin(), bytes.end(), raw.begin());
  return Uuid::from_random(raw).to_string();
}

}  // namespace mesh::server
