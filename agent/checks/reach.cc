#include "agent/checks/reach.h"

#include "net/loop.h"

namespace mesh::agent {

Reach::Reach(net::Loop& loop, const HostPort& where, const ReachOptions& options, OnDone on_done)
    : loop_(loop),
      port_(where.port),
      options_(options),
      on_done_(std::move(on_done)),
      resolve_(loop, where.host, options.deadline,
               [this](Result<std::vector<net::IpAddress>> addresses) { resolved(std::move(addresses)); }) {}

void Reach::resolved(Result<std::vector<net::IpAddress>> addresses) {
  if (!addresses.ok()) return finish(std::move(addresses).error());
  addresses_ = std::move(*addresses);
  if (addresses_.size() == 1 && options_.prove == Prove::IfSeveral) return finish(net::Endpoint(addresses_[0], port_));
  try_next();
}

void Reach::try_next() {
  const MonoTime now = loop_.now();
  const auto left = static_cast<Duration::rep>(addresses_.size() - next_);
  const MonoTime deadline = options_.deadline > now ? now + (options_.deadline - now) / left : now;
  attempt_ = std::make_unique<net::StreamConnect>(
      loop_, net::Endpoint(addresses_[next_], port_), net::ConnectOptions{.deadline = deadline},
      [this](const Result<std::unique_ptr<net::Stream>>& stream) { connected(stream); });
}

void Reach::connected(const Result<std::unique_ptr<net::Stream>>& stream) {
  if (stream.ok()) return finish(net::Endpoint(addresses_[next_], port_));
  if (++next_ == addresses_.size()) return finish(stream.error());
  try_next();
}

void Reach::finish(Result<net::Endpoint> result) {
  OnDone fn = std::exchange(on_done_, nullptr);
  fn(std::move(result));
}

}  // namespace mesh::agent
