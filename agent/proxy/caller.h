// Who is at the other end of a connection that a local program made: asked from the kernel (CallerProof), then named by the
// snapshot's process rules (caller_of). Only what the kernel says counts.
//
// Thread: a worker's loop; several workers share one proof, so ask() must be safe from any thread.
#pragma once

#include <string>

#include "agent/proxy/process_rules.h"
#include "agent/proxy/snapshot.h"

namespace mesh::net {
class Stream;
}

namespace mesh::proxy {

class CallerProof : public CgroupNow {
 public:
  // dialled: what the program connected to; the stream's own address but where nftables redirected it. A few microseconds at
  // most: called for every connection that a local program makes.
  [[nodiscard]] virtual CallerFacts ask(const net::Stream& accepted, const net::Endpoint& dialled) const = 0;
};

// Unix sockets: SO_PEERCRED. TCP: nothing is known, so the caller is the node.
class SocketCallerProof final : public CallerProof {
 public:
  [[nodiscard]] CallerFacts ask(const net::Stream& accepted, const net::Endpoint& dialled) const override;
  [[nodiscard]] Below is_below(std::uint64_t, const std::string&) const override { return Below::No; }
};

// Who calls, by the rules: a service, or "node/NAME" of this node when no rule matches.
struct Caller {
  std::string source;
  std::string rival{};  // set: equally narrow rules of two services match, source and this one; it may act as neither
  std::string unsure{};  // set: whether it is this service cannot be told before the next look
};
[[nodiscard]] Caller caller_of(const ProxySnapshot& snapshot, const CallerFacts& facts, const CgroupNow& now);

// May the caller use the listener that was made for `owner`? Where nothing says which processes are the owner, whoever is
// no other service may: the listener then gives nothing but what node/NAME may do anyhow.
[[nodiscard]] bool may_use_bind(const ProxySnapshot& snapshot, const std::string& source, const std::string& owner);

// Why the caller is no service, as far as the rules say; empty: they do not speak of it, or it is one. For people.
[[nodiscard]] std::string why_no_service(const ProxySnapshot& snapshot, const CallerFacts& facts, const CgroupNow& now);

// "uid 4002", "uid 4002, pid 17, cgroup 5812": for people.
[[nodiscard]] std::string describe(const CallerFacts& facts);

}  // namespace mesh::proxy
