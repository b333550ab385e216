// Finds an address of a host that takes connections. A name such as localhost often has two addresses of which a service
// listens on one only, so all are tried, in the resolver's order, each with an equal share of the time that is left.
//
// Agent loop. on_done: the endpoint, or the resolver's error, or that of the last attempt. It is called once, never from
// inside the constructor, and may destroy the object. Destroying cancels.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "agent/checks/target.h"
#include "base/function.h"
#include "base/result.h"
#include "base/time.h"
#include "net/address.h"
#include "net/resolver.h"
#include "net/tcp.h"

namespace mesh::net {
class Loop;
}

namespace mesh::agent {

enum class Prove : std::uint8_t {
  Always,     // the endpoint has just taken a connection (which is closed again)
  IfSeveral,  // a single address is handed out untried, for callers that connect anyway
};

struct ReachOptions {
  MonoTime deadline = kNever;  // REQUIRES a real time
  Prove prove = Prove::Always;
};

class Reach {
 public:
  using OnDone = UniqueFunction<void(Result<net::Endpoint>)>;

  Reach(net::Loop& loop, const HostPort& where, const ReachOptions& options, OnDone on_done);
  Reach(const Reach&) = delete;
  Reach& operator=(const Reach&) = delete;

 private:
  void resolved(Result<std::vector<net::IpAddress>> addresses);
  void try_next();
  void connected(const Result<std::unique_ptr<net::Stream>>& stream);
  void finish(Result<net::Endpoint> result);

  net::Loop& loop_;
  std::uint16_t port_;
  ReachOptions options_;
  OnDone on_done_;
  std::vector<net::IpAddress> addresses_;
  std::size_t next_ = 0;
  net::Resolve resolve_;
  std::unique_ptr<net::StreamConnect> attempt_;
};

}  // namespace mesh::agent
