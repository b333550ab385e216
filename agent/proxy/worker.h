// Worker: one loop of the data plane with its listeners and connections. Everything here happens on that loop; Proxy posts
// to it. Budgets are this worker's share of the proxy's (rounded up).
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "agent/proxy/candidates.h"
#include "agent/proxy/connection.h"
#include "agent/proxy/metrics.h"
#include "agent/proxy/proxy.h"
#include "net/loop.h"
#include "net/tcp.h"
#include "net/timer.h"

namespace mesh::proxy {

struct WorkerOptions {
  ProxyLimits limits;       // of this worker
  bool makes_binds = false;  // the one that listens for upstreams' own addresses
};

class Worker {
 public:
  Worker(net::Loop& loop, const WorkerOptions& options, net::HandshakePool& pool, const CallerProof& proof,
         ProxyMetrics& metrics);
  ~Worker();
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  // Before the loop runs.
  [[nodiscard]] Status listen(const net::Endpoint& outbound, const net::Endpoint& inbound);
  [[nodiscard]] const net::StreamListener& outbound() const { return *outbound_; }
  [[nodiscard]] const net::StreamListener& inbound() const { return *inbound_; }

  void take(ProxySnapshotPtr snapshot);
  void drain(MonoTime deadline, UniqueFunction<void()> on_drained);

  // For connections.
  [[nodiscard]] net::Loop& loop() { return loop_; }
  [[nodiscard]] const ProxySnapshotPtr& snapshot() const { return snapshot_; }
  [[nodiscard]] const ProxyLimits& limits() const { return options_.limits; }
  [[nodiscard]] net::HandshakePool& pool() { return pool_; }
  [[nodiscard]] const CallerProof& proof() const { return proof_; }
  [[nodiscard]] const CgroupNow& cgroups() const { return cgroups_; }
  [[nodiscard]] WorkerMetrics& metrics() { return metrics_; }
  [[nodiscard]] FailureMemory& failures() { return failures_; }
  [[nodiscard]] std::uint64_t next_turn(const std::string& service) { return services_[service].turn++; }
  [[nodiscard]] bool admit(const std::string& service);
  void leave(const std::string& service);
  void pending_done() { --inbound_pending_; }
  // The connection is destroyed after the callback in progress.
  void remove(Connection& connection);

 private:
  // What a service called through this worker takes.
  struct Service {
    std::uint64_t turn = 0;
    std::size_t connections = 0;
  };
  struct Bind {
    UpstreamBind what;
    std::unique_ptr<net::StreamListener> listener;  // null: could not be opened; tried again after bind_retry
    bool told = false;                              // that it could not
  };

  void accept_outbound(std::unique_ptr<net::Stream> stream, const UpstreamBind* bind);
  void accept_inbound(std::unique_ptr<net::Stream> stream);
  void add(std::unique_ptr<Connection> connection);
  [[nodiscard]] bool full(Direction direction);
  void update_binds();
  void open_binds();
  void open_bind(Bind& bind);
  void forget_idle_services();
  [[nodiscard]] std::vector<Connection*> open_connections() const;
  void recheck_all();
  void recheck_peers(const ProxySnapshot& before);
  void cut_all(const EndReport& report);
  void check_drained();

  net::Loop& loop_;
  WorkerOptions options_;
  net::HandshakePool& pool_;
  const CallerProof& proof_;
  CgroupMemory cgroups_;  // of what proof_ says
  WorkerMetrics metrics_;
  ProxySnapshotPtr snapshot_;  // never null
  FailureMemory failures_;
  std::unique_ptr<net::StreamListener> outbound_;
  std::unique_ptr<net::StreamListener> inbound_;
  std::map<net::Endpoint, Bind> binds_;
  std::unordered_map<Connection*, std::unique_ptr<Connection>> connections_;
  std::unordered_map<std::string, Service> services_;
  std::size_t inbound_pending_ = 0;
  bool published_ = false;
  bool draining_ = false;
  net::Timer bind_timer_;
  net::Timer drain_timer_;
  UniqueFunction<void()> on_drained_;
};

}  // namespace mesh::proxy
