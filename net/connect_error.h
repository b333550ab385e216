// What a failed StreamConnect says beyond its code. Any thread.
#pragma once

#include "base/result.h"

namespace mesh::net {

// The host itself answered that nobody listens there (TCP reset): it is up, the process is not. False for every other
// error, also Unavailable ones such as an unreachable network.
[[nodiscard]] bool connection_refused(const Error& failure);

}  // namespace mesh::net
