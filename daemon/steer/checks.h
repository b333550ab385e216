// What a descriptor must be before the kernel is told to steer connections to it. Any thread; does not block.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "base/fd.h"
#include "base/result.h"
#include "daemon/steer/protocol.h"
#include "net/address.h"

namespace mesh::steer {

struct CheckedSocket {
  UniqueFd fd;
  net::Address bound;
};

// One hand-over whose descriptors are what they should be.
struct Sockets {
  std::vector<CheckedSocket> listeners{};
  std::optional<CheckedSocket> dns_udp{};
  std::optional<CheckedSocket> dns_tcp{};
};

// Code::Invalid names the first descriptor that is not what the message says and what it is instead: a listener is an
// IPv4 TCP socket that listens; the UDP socket is IPv4, bound, not connected; each of this network namespace (checked
// on kernels from 5.14). All descriptors are closed then.
[[nodiscard]] Result<Sockets> check_sockets(const HandOver& message, std::vector<UniqueFd> descriptors);

}  // namespace mesh::steer
