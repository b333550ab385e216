#include "agent/checks/tcp_run.h"

#include <fmt/core.h>

namespace mesh::agent {

TcpRun::TcpRun(net::Loop& loop, const model::CheckDefinition& definition, MonoTime deadline, OnDone on_done)
    : where_(definition.tcp), on_done_(std::move(on_done)), fault_timer_(loop, [this] { finish(std::move(*fault_)); }) {
  auto target = parse_host_port(where_);
  if (!target.ok()) {
    fault_ = std::move(target).error();
    fault_timer_.start_after({});
    return;
  }
  reach_.emplace(loop, *target, ReachOptions{.deadline = deadline},
                 [this](const Result<net::Endpoint>& reached) { finish(reached); });
}

void TcpRun::finish(const Result<net::Endpoint>& reached) {
  if (!reached.ok())
    return on_done_({model::CheckStatus::Critical, fmt::format("TCP {}: {}", where_, reached.error().message)});
  on_done_({model::CheckStatus::Passing, fmt::format("TCP {}: connected to {}", where_, reached->to_string())});
}

}  // namespace mesh::agent
