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
  const auto named = [](const std::string* service) { return service == nullptr ? std::string() : *service; };
  Caller caller{named(match.service), named(match.rival), named(match.unsure)};
  if (match.service == nullptr) caller.source = model::node_source(snapshot.node_name);
  return caller;
}

std::string why_no_service(const ProxySnapshot& snapshot, const CallerFacts& facts, const CgroupNow& now) {
  const std::string near = snapshot.processes->near_miss(facts, now);
  return near.empty() ? near : fmt::format("the caller ({}) is no service: {}", describe(facts), near);
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
