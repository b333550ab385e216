// Socket addresses and error numbers between the kernel's form and ours. For net/ only; any thread.
#pragma once

#include <sys/socket.h>

#include <optional>

#include "base/fd.h"
#include "base/result.h"
#include "net/address.h"
#include "net/port_owner.h"

namespace mesh::net {

struct SocketName {
  sockaddr_storage storage{};
  socklen_t size = 0;
  [[nodiscard]] const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
};

// REQUIRES a unix path of at most kUnixPathBytesMax bytes.
[[nodiscard]] SocketName to_socket_name(const Endpoint& endpoint);
// An address family that is not ours gives 0.0.0.0:0.
[[nodiscard]] Endpoint from_socket_name(const sockaddr* name, socklen_t size);
[[nodiscard]] Endpoint local_endpoint(int descriptor);
[[nodiscard]] Endpoint remote_endpoint(int descriptor);

// "what: strerror" with the Code that says what a caller can do about it: Unavailable (refused, unreachable, broken),
// Timeout, Denied, Conflict, else Io. Takes errno; libuv's codes are negated errno values.
[[nodiscard]] Error socket_error(std::string_view what, int errno_value);

struct BindOptions {
  int type = SOCK_STREAM;
  bool reuse_port = false;
};
// A non-blocking, close-on-exec socket bound to `where`.
[[nodiscard]] Result<UniqueFd> bind_socket(const Endpoint& where, const BindOptions& options);
// Conflict, naming the port's owner where it can be found.
[[nodiscard]] Error address_in_use(const Endpoint& where, PortProtocol protocol);

}  // namespace mesh::net
