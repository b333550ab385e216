#include "agent/proxy/caller.h"

#include <fmt/format.h>

#include "net/tcp.h"

namespace mesh::proxy {

CallerFacts SocketCallerProof::ask(const net::Stream& accepted, const net::Endpoint&) const {
  const auto credentials = accepted.peer_credentials();
  return credentials ? CallerFacts{.uid = credentials->uid, .pid = credentials->pid} : CallerFacts{};
}

Caller caller_of(const ProxySnapshot& snapshot, const CallerFacts& facts, const CgroupNow& now) {
  const ProcessRules::Match match = snapshot.processes->match(facts, now);
  if (match.service == nullptr) return {model::node_source(snapshot.node_name)};
  return {*match.service, match.rival == nullptr ? std::string() : *match.rival};
}

bool may_use_bind(const ProxySnapshot& snapshot, const std::string& source, const std::string& owner) {
  return source == owner || (model::is_node_source(source) && !snapshot.processes->guards(owner));
}

std::string describe(const CallerFacts& facts) {
  std::string text = facts.uid ? fmt::format("uid {}", *facts.uid) : std::string("an unknown user");
  if (facts.pid) text += fmt::format(", pid {}", *facts.pid);
  if (facts.cgroup) text += fmt::format(", cgroup {}", *facts.cgroup);
  return text;
}

}  // namespace mesh::proxy
