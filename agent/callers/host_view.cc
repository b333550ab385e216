#include "agent/callers/host_view.h"

#include <pwd.h>

#include <vector>

#include "base/clock.h"

namespace mesh::agent {

namespace {

constexpr std::size_t kPasswdBytesMax = std::size_t{64} << 10;

Result<uid_t> ask_user_database(const std::string& name) {
  std::vector<char> buffer(kPasswdBytesMax);
  passwd entry{};
  passwd* found = nullptr;
  const int failure = getpwnam_r(name.c_str(), &entry, buffer.data(), buffer.size(), &found);
  if (found != nullptr) return found->pw_uid;
  if (failure == 0 || failure == ENOENT || failure == ESRCH) return error(Code::NotFound, "there is no user {} on this host", name);
  return io_error(fmt::format("while looking up the user {}", name), failure);
}

}  // namespace

Result<std::unique_ptr<KernelHostView>> KernelHostView::open() {
  MESH_TRY(sockets, net::SocketOwner::open());
  return std::unique_ptr<KernelHostView>(new KernelHostView(std::move(sockets)));
}

Result<uid_t> KernelHostView::uid_of(const std::string& user) {
  const auto known = users_.find(user);
  if (known != users_.end() && mono_now() < known->second.until) return known->second.uid;
  Result<uid_t> uid = ask_user_database(user);
  if (uid.ok() || uid.error().code == Code::NotFound) users_.insert_or_assign(user, Remembered{uid, mono_now() + kUserMemory});
  else if (known != users_.end()) return known->second.uid;  // what it last said
  return uid;
}

Result<net::SocketFacts> KernelHostView::listener_at(const net::Address& where) { return sockets_.listener_at(where); }

CgroupTree KernelHostView::cgroups() { return root_ ? CgroupTree::read(*root_) : CgroupTree(); }

}  // namespace mesh::agent
