// Which address a local program dialled, for an accepted connection that may have been redirected. Any thread.
#pragma once

#include "base/result.h"
#include "net/address.h"

namespace mesh::net {

// The mesh address and port that the client of this accepted IPv4 socket dialled: the socket's own address where
// sk_lookup steered it, else the destination before nftables' redirect (SO_ORIGINAL_DST). Code::Denied if it dialled
// something else, for example the listener's own port: such a connection has no business here.
// Costs one system call when steered by sk_lookup, two when redirected.
[[nodiscard]] Result<Address> dialled_mesh_address(int descriptor);

}  // namespace mesh::net
