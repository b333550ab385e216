#include "daemon/caller_proof.h"

#include "agent/callers/cgroup_tree.h"
#include "net/tcp.h"

namespace mesh::daemon {

Result<std::unique_ptr<KernelCallerProof>> KernelCallerProof::open(std::span<net::Loop* const> loops) {
  std::unique_ptr<KernelCallerProof> proof(new KernelCallerProof);
  for (const net::Loop* loop : loops) {
    MESH_TRY(owner, net::SocketOwner::open());
    proof->owners_.emplace(loop, std::move(owner));
  }
  return proof;
}

proxy::CallerFacts KernelCallerProof::ask(const net::Stream& accepted, const net::Endpoint& dialled) const {
  if (accepted.local().is_unix()) return proxy::SocketCallerProof().ask(accepted, dialled);
  const auto owner = owners_.find(&accepted.loop());
  if (owner == owners_.end()) return {};
  const auto facts = owner->second.client_of({accepted.remote().address(), dialled.address()});
  if (!facts.ok()) return {.foreign = true};  // NotFound: its process is gone, or elsewhere; else the kernel vouches for nobody
  proxy::CallerFacts out;
  if (facts->uid) out.uid = *facts->uid;
  out.cgroup = facts->cgroup_id;
  return out;
}

proxy::Below KernelCallerProof::is_below(std::uint64_t cgroup, const std::string& folder) const {
  const auto answer = agent::cgroup_is_below(cgroup, folder, proxy::kCgroupWalkMax);
  if (!answer) return proxy::Below::Unknown;
  return *answer ? proxy::Below::Yes : proxy::Below::No;
}

}  // namespace mesh::daemon
