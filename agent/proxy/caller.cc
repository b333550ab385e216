#include "agent/proxy/caller.h"

#include <algorithm>

#include "net/tcp.h"

namespace mesh::proxy {

CallerFacts SocketCallerProof::ask(const net::Stream& accepted, const net::Endpoint&) const {
  const auto credentials = accepted.peer_credentials();
  return credentials ? CallerFacts{.uid = credentials->uid} : CallerFacts{};
}

std::string caller_of(const ProxySnapshot& snapshot, const CallerFacts& facts) {
  const std::string* service = nullptr;
  if (facts.uid) {
    for (const ProcessRule& rule : *snapshot.processes) {
      if (rule.uid != *facts.uid) continue;
      if (service != nullptr && *service != rule.service) return model::node_source(snapshot.node_name);
      service = &rule.service;
    }
  }
  return service != nullptr ? *service : model::node_source(snapshot.node_name);
}

bool is_guarded(const ProxySnapshot& snapshot, const std::string& service) {
  return std::any_of(snapshot.processes->begin(), snapshot.processes->end(),
                     [&](const ProcessRule& rule) { return rule.service == service; });
}

}  // namespace mesh::proxy
