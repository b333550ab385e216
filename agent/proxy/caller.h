// Who is at the other end of a connection that a local program made: asked from the kernel (CallerProof), then named by the
// snapshot's process rules (caller_of). Only what the kernel says counts.
//
// Thread: a worker's loop; several workers share one proof, so ask() must be safe from any thread.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>

#include "agent/proxy/snapshot.h"

namespace mesh::net {
class Stream;
}

namespace mesh::proxy {

// Absent: the kernel could not tell.
struct CallerFacts {
  std::optional<uid_t> uid{};
  std::optional<std::uint64_t> cgroup{};  // id of the cgroup that made the socket
  bool foreign = false;  // no process of this host holds the other end (any more): the connection is refused
};

class CallerProof {
 public:
  virtual ~CallerProof() = default;
  // dialled: what the program connected to; the stream's own address but where nftables redirected it. A few microseconds at
  // most: called for every connection that a local program makes.
  [[nodiscard]] virtual CallerFacts ask(const net::Stream& accepted, const net::Endpoint& dialled) const = 0;
};

// Unix sockets: SO_PEERCRED. TCP: nothing is known, so the caller is the node.
class SocketCallerProof final : public CallerProof {
 public:
  [[nodiscard]] CallerFacts ask(const net::Stream& accepted, const net::Endpoint& dialled) const override;
};

// "web" if exactly one service's rules match, else "node/NAME" of this node. Pure.
[[nodiscard]] std::string caller_of(const ProxySnapshot& snapshot, const CallerFacts& facts);

// Some rule says who may act as the service. Without one no process can prove to be it, and a listener that is meant for the
// service serves everybody, with the identity that they do prove.
[[nodiscard]] bool is_guarded(const ProxySnapshot& snapshot, const std::string& service);

}  // namespace mesh::proxy
