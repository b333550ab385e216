#include "agent/proxy/proxy.h"

#include <atomic>

#include "agent/proxy/worker.h"

namespace mesh::proxy {

namespace {

std::size_t share_of(std::size_t limit, std::size_t workers) { return (limit + workers - 1) / workers; }

ProxyLimits limits_of_worker(ProxyLimits limits, std::size_t workers) {
  limits.connections_max = share_of(limits.connections_max, workers);
  limits.connections_per_service_max = share_of(limits.connections_per_service_max, workers);
  limits.inbound_pending_max = share_of(limits.inbound_pending_max, workers);
  return limits;
}

}  // namespace

Proxy::Proxy(std::span<net::Loop* const> loops, const ProxyOptions& options, net::HandshakePool& pool,
             const CallerProof& proof, MetricRegistry& registry)
    : options_(options), metrics_(std::make_unique<ProxyMetrics>(registry)) {
  CHECK(!loops.empty(), "a proxy without workers");
  WorkerOptions worker{limits_of_worker(options.limits, loops.size()), true};
  for (net::Loop* loop : loops) {
    workers_.push_back(std::make_shared<Worker>(*loop, worker, pool, proof, *metrics_));
    worker.makes_binds = false;
  }
}

Proxy::~Proxy() = default;

Status Proxy::start() {
  inbound_ = options_.inbound;
  for (const auto& worker : workers_) {
    MESH_TRY_STATUS(worker->listen(options_.outbound, inbound_));
    inbound_ = worker->inbound().local();  // port 0: the others share what the first one got
  }
  return {};
}

void Proxy::publish(ProxySnapshotPtr snapshot) {
  CHECK(snapshot != nullptr);
  for (const auto& worker : workers_)
    worker->loop().post([weak = std::weak_ptr(worker), snapshot] {
      if (const auto alive = weak.lock()) alive->take(snapshot);
    });
}

void Proxy::drain(MonoTime deadline, net::LoopRef where, UniqueFunction<void()> on_drained) {
  struct Rest {
    Rest(std::size_t count, net::LoopRef loop, UniqueFunction<void()> fn)
        : workers(count), where(std::move(loop)), on_drained(std::move(fn)) {}
    std::atomic<std::size_t> workers;
    net::LoopRef where;
    UniqueFunction<void()> on_drained;
  };
  auto rest = std::make_shared<Rest>(workers_.size(), std::move(where), std::move(on_drained));
  for (const auto& worker : workers_)
    worker->loop().post([weak = std::weak_ptr(worker), rest, deadline] {
      const auto alive = weak.lock();
      if (alive == nullptr) return;
      alive->drain(deadline, [rest] {
        if (--rest->workers == 0) (void)rest->where.post(std::move(rest->on_drained));
      });
    });
}

std::vector<int> Proxy::outbound_descriptors() const {
  std::vector<int> all;
  for (const auto& worker : workers_) all.push_back(worker->outbound().descriptor());
  return all;
}

std::vector<int> Proxy::inbound_descriptors() const {
  std::vector<int> all;
  for (const auto& worker : workers_) all.push_back(worker->inbound().descriptor());
  return all;
}

std::vector<net::Endpoint> Proxy::outbound_addresses() const {
  std::vector<net::Endpoint> all;
  for (const auto& worker : workers_) all.push_back(worker->outbound().local());
  return all;
}

}  // namespace mesh::proxy
