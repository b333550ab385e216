// Who holds a port, for the message of a failed bind. Blocking reads of /proc, some milliseconds: start-up errors only.
#pragma once

#include <optional>
#include <string>

#include "net/address.h"

namespace mesh::net {

enum class PortProtocol { Tcp, Udp };

// "nginx (pid 812)" for the process whose listening (TCP) or bound (UDP) socket conflicts with `where`; "a process of
// uid 33" when its descriptors may not be read; nothing if no such socket is seen in this network namespace.
[[nodiscard]] std::optional<std::string> port_owner(PortProtocol protocol, const Address& where);

}  // namespace mesh::net
