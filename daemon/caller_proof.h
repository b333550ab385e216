// What the kernel says of the local programs that connect to the data plane: SO_PEERCRED for unix sockets, sock_diag for
// TCP. One netlink socket per worker, opened at the start.
//
// Thread: made by the main thread before the workers run; ask() on the accepted stream's own loop.
#pragma once

#include <memory>
#include <span>
#include <unordered_map>

#include "agent/proxy/caller.h"
#include "base/result.h"
#include "net/loop.h"
#include "net/socket_owner.h"

namespace mesh::daemon {

class KernelCallerProof final : public proxy::CallerProof {
 public:
  // Errors: SocketOwner::open's.
  static Result<std::unique_ptr<KernelCallerProof>> open(std::span<net::Loop* const> loops);
  [[nodiscard]] proxy::CallerFacts ask(const net::Stream& accepted, const net::Endpoint& dialled) const override;
  [[nodiscard]] proxy::Below is_below(std::uint64_t cgroup, const std::string& folder) const override;

 private:
  KernelCallerProof() = default;
  mutable std::unordered_map<const net::Loop*, net::SocketOwner> owners_;  // the map itself does not change
};

}  // namespace mesh::daemon
