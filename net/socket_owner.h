// Which local process stands at the other end of a loopback connection, and who listens on a port: asked of the kernel
// (sock_diag(7)), not of the peer. One netlink socket per object; one object per loop, used on that loop only.
//
// What the answers mean:
// - uid is the effective user of the process that made the socket. It is missing when the kernel no longer knows it:
//   the process has closed its end, and kernels before 6.16 then say 0, which must not pass for root.
// - cgroup_id is that of the process that made the socket, for the socket's life, whoever holds the descriptor now;
//   it equals the inode of the cgroup's folder. Missing on kernels before 5.8 and without cgroups.
// - A socket in TIME-WAIT or gone proves nothing: NotFound, and the caller refuses the connection.
// - Only sockets of this process's own network namespace are seen. A caller from elsewhere (a container, another host
//   past a route_localnet setting) is NotFound.
//
// Cost: two system calls, about 1.5 us, without blocking (the kernel answers inside the first). No allocation. Asked
// for each connection; nothing is cached, since ports are used again.
#pragma once

#include <cstdint>
#include <optional>

#include "base/fd.h"
#include "base/result.h"
#include "net/address.h"

namespace mesh::net {

struct SocketFacts {
  std::optional<std::uint32_t> uid{};
  std::uint64_t inode = 0;  // 0: no process holds the socket any more
  std::optional<std::uint64_t> cgroup_id{};
};

class SocketOwner {
 public:
  // Errors: Io, Denied when the system allows no netlink socket; the mesh then cannot prove any caller.
  [[nodiscard]] static Result<SocketOwner> open();
  SocketOwner(SocketOwner&&) noexcept = default;
  SocketOwner& operator=(SocketOwner&&) noexcept = default;

  // Both ends as the client sees them: the address it came from (remote() of the accepted stream) and the one it
  // dialled (local() of the accepted stream; the mesh address where it was redirected, see original_destination.h).
  struct Ends {
    Address client;
    Address dialled;
  };
  // The client's socket. NotFound: gone, in TIME-WAIT, or not of this host; Io otherwise.
  [[nodiscard]] Result<SocketFacts> client_of(const Ends& ends);

  // The socket that would accept a connection from this host to `where`, a wildcard listener included. Of several that
  // share the port by SO_REUSEPORT, one. NotFound: nobody listens.
  [[nodiscard]] Result<SocketFacts> listener_at(const Address& where);

 private:
  struct Question;
  explicit SocketOwner(UniqueFd fd) : fd_(std::move(fd)) {}
  [[nodiscard]] Result<SocketFacts> ask(const Question& question);

  UniqueFd fd_;
  std::uint32_t sequence_ = 0;
};

}  // namespace mesh::net
