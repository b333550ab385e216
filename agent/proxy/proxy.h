// Proxy: the L4 data plane of a host. Takes connections of local programs to mesh addresses (outbound) and connections of
// other agents to this host's mesh port (inbound), and moves their bytes.
//
//   outbound: local program -> mesh address -> route -> instance here: authorize, dial it
//                                                    -> instance elsewhere: mTLS to its host's mesh port, preface, status
//   inbound:  agent elsewhere -> mTLS -> preface -> authorize -> dial the local program -> status
//
// Glossary: worker = a loop with listeners of its own; a connection stays on the loop that accepted it. Outbound listener =
// the socket that meshd-steer puts into its socket map: what it accepts carries the mesh address and port as its own local
// address. To add a step of a connection start in outbound.h or inbound.h; what both share is in relay.h.
//
// Threads: daemon makes a Proxy on its own thread while no worker thread runs, starts the threads, and destroys it after
// they have stopped. publish() and drain() from any thread. Between start() and the first publish() connections wait in
// the kernel's queue.
//
// What a connection costs (L4, on top of the two sockets): one object, its relay and two TLS sessions' state; no buffer
// while idle; at most kRelayHighMarkBytes and one read (64 KiB) per direction while the reader is slow.
// Per chunk of bytes in steady state: one read and one write system call, no copy on plain legs (the loop's shared read
// buffer goes straight to writev), one AEAD pass each on TLS legs, no allocation unless the socket would block. Per
// connection: route by one hash look-up; same host: accept, connect, 2 closes; between hosts: the handshake on the pool
// and one extra record each way, no extra round trip for programs that speak first.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "agent/proxy/caller.h"
#include "agent/proxy/snapshot.h"
#include "base/function.h"
#include "base/metrics.h"
#include "base/result.h"
#include "base/time.h"
#include "net/loop.h"

namespace mesh::net {
class HandshakePool;
}

namespace mesh::proxy {

inline constexpr std::size_t kConnectionsMax = 65'536;            // of one proxy
inline constexpr std::size_t kConnectionsPerServiceMax = 16'384;  // of one proxy, by service called
inline constexpr std::size_t kInboundPendingMax = 4'096;          // of one proxy, not past their preface

struct ProxyLimits {
  std::size_t connections_max = kConnectionsMax;
  std::size_t connections_per_service_max = kConnectionsPerServiceMax;
  std::size_t inbound_pending_max = kInboundPendingMax;
  Duration attempt_time = seconds(2);     // each of connect, handshake, status of an instance that is not the last to be tried
  Duration setup_time = seconds(6);       // all attempts together, with the wait of handshakes for their turn
  std::uint32_t attempts_max = 3;         // instances tried for one connection
  Duration failure_memory = seconds(5);   // an endpoint that failed is tried last for so long
  Duration handshake_time = seconds(7);   // inbound: longer than setup_time, since a source may connect and wait for its turn
  Duration preface_time = seconds(5);     // inbound
  Duration dial_time = seconds(1);        // a program on this host
  Duration bind_retry = seconds(5);       // an upstream's address that could not be opened
  Duration idle_time{};                   // no byte either way; 0: no limit
};

struct ProxyOptions {
  net::Endpoint outbound{net::IpAddress::loopback(), 0};  // one listener per worker; port 0: any, each its own
  net::Endpoint inbound{net::IpAddress::loopback(), 0};   // bind address and mesh port, shared by the workers
  ProxyLimits limits{};
};

class Worker;
struct ProxyMetrics;

class Proxy {
 public:
  // One worker per loop. All arguments outlive the proxy. REQUIRES at least one loop.
  Proxy(std::span<net::Loop* const> loops, const ProxyOptions& options, net::HandshakePool& pool,
        const CallerProof& proof, MetricRegistry& registry);
  ~Proxy();  // open connections are reset
  Proxy(const Proxy&) = delete;
  Proxy& operator=(const Proxy&) = delete;

  // Opens the listening sockets. Errors: Conflict if the mesh port is taken (names the owner), Denied, Io.
  [[nodiscard]] Status start();

  // From here on new connections see it; open ones are checked against it where policy, certificates or instances changed.
  void publish(ProxySnapshotPtr snapshot);

  // Refuses new connections, waits for open ones until the deadline, then resets them. on_drained runs on `where`.
  void drain(MonoTime deadline, net::LoopRef where, UniqueFunction<void()> on_drained);

  // Of the listening sockets, for meshd-steer and for the hand-over to a new process; owned by the proxy. After start().
  [[nodiscard]] std::vector<int> outbound_descriptors() const;
  [[nodiscard]] std::vector<int> inbound_descriptors() const;
  [[nodiscard]] std::vector<net::Endpoint> outbound_addresses() const;
  [[nodiscard]] const net::Endpoint& inbound_address() const { return inbound_; }

 private:
  ProxyOptions options_;
  net::Endpoint inbound_;
  std::unique_ptr<ProxyMetrics> metrics_;
  std::vector<std::shared_ptr<Worker>> workers_;
};

}  // namespace mesh::proxy
