// HostView: what RuleFinder asks of the host. Blocking; one thread uses an object.
#pragma once

#include <sys/types.h>

#include <map>
#include <memory>
#include <optional>
#include <string>

#include "agent/callers/cgroup_tree.h"
#include "base/result.h"
#include "base/time.h"
#include "net/socket_owner.h"

namespace mesh::agent {

class HostView {
 public:
  virtual ~HostView() = default;
  // By name. Errors: NotFound; Io when the user database gives no answer.
  [[nodiscard]] virtual Result<uid_t> uid_of(const std::string& user) = 0;
  // The socket that would accept there. Errors: NotFound; Io.
  [[nodiscard]] virtual Result<net::SocketFacts> listener_at(const net::Address& where) = 0;
  [[nodiscard]] virtual CgroupTree cgroups() = 0;
};

inline constexpr Duration kUserMemory = seconds(30);  // an answer of the user database, which may be a network away

class KernelHostView final : public HostView {
 public:
  // Errors: SocketOwner::open's.
  static Result<std::unique_ptr<KernelHostView>> open();

  [[nodiscard]] Result<uid_t> uid_of(const std::string& user) override;
  [[nodiscard]] Result<net::SocketFacts> listener_at(const net::Address& where) override;
  [[nodiscard]] CgroupTree cgroups() override;

 private:
  struct Remembered {
    Result<uid_t> uid;
    MonoTime until;
  };
  explicit KernelHostView(net::SocketOwner sockets) : sockets_(std::move(sockets)), root_(CgroupTree::find_root()) {}

  net::SocketOwner sockets_;
  std::optional<std::string> root_;
  std::map<std::string, Remembered> users_;  // of the services' rules, so bounded by them
};

}  // namespace mesh::agent
