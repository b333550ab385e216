// The address by which other hosts most likely reach this one. Any thread; does not block and sends nothing.
#pragma once

#include "base/result.h"
#include "net/address.h"

namespace mesh::net {

// The source address of the default route, IPv4 before IPv6. NotFound: there is no default route.
[[nodiscard]] Result<IpAddress> own_address();

}  // namespace mesh::net
