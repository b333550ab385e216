// The agent's copy of the catalog, fed by one watch stream from a server (docs/formats/watch.md). Subscribes, applies
// snapshot and deltas, proves itself by the hash in each message, resumes after a broken stream with what it has, and
// backs off with jitter while no server answers. What it holds stays readable meanwhile; its age is told. While no server
// is reached the channel refuses at once and costs nobody anything, so that the pause stays short: a server that comes
// back is followed soon. That it is not reached is logged when the stream breaks and then every kReplicaRetryMax.
//
// Thread: the agent loop. on_change is called from the loop, never from inside a call to the replica; it may not
// destroy the replica. The channel must outlive it.
//
// Limits: a snapshot of more than kReplicaBytesMax is given up (Overloaded, logged, tried again after the longest pause).
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "base/function.h"
#include "base/rng.h"
#include "base/time.h"
#include "model/catalog.h"
#include "model/protocol.h"
#include "net/rpc.h"
#include "net/timer.h"

namespace mesh::net {
class Loop;
}

namespace mesh::agent {

inline constexpr Duration kReplicaRetryMin = milliseconds(50);
inline constexpr Duration kReplicaRetryMax = seconds(10);
inline constexpr Duration kReplicaUnreachedRetryMax = milliseconds(500);
inline constexpr Duration kReplicaSilenceMax = seconds(10);  // servers send a heartbeat every second
inline constexpr std::size_t kReplicaBytesMax = std::size_t{256} << 20;

class Replica final : private net::RpcStreamObserver {
 public:
  Replica(net::Loop& loop, net::RpcChannel& channel, Rng rng, std::string node_id, UniqueFunction<void()> on_change);
  ~Replica() override;
  Replica(const Replica&) = delete;
  Replica& operator=(const Replica&) = delete;

  // What was known before the process began, current at fresh_at: ready() and readable at once. Before start().
  void restore(model::Catalog catalog, MonoTime fresh_at);
  // Subscribes; once.
  void start();

  [[nodiscard]] const model::Catalog& catalog() const { return catalog_; }
  [[nodiscard]] bool ready() const { return ready_; }          // has been whole once
  [[nodiscard]] bool connected() const { return connected_; }  // the stream stands and has delivered
  // The catalog was current on the leader at this time, as far as is known.
  [[nodiscard]] MonoTime fresh_at() const { return fresh_at_; }

 private:
  void subscribe();
  void on_message(ByteView message) override;
  void on_end(Status status) override;
  [[nodiscard]] Status take(model::WatchMessage message);
  [[nodiscard]] Status take_delta(model::WatchMessage message);
  [[nodiscard]] Status take_snapshot_rows(model::WatchMessage message, std::size_t bytes);
  [[nodiscard]] Status take_snapshot_end(const model::WatchMessage& message);
  [[nodiscard]] Status check_hash(const model::WatchMessage& message) const;
  void drop_stream(const Error& why);

  net::Loop& loop_;
  net::RpcChannel& channel_;
  Rng rng_;
  std::string node_id_;
  UniqueFunction<void()> on_change_;
  model::Catalog catalog_;
  std::vector<model::RowChange> snapshot_rows_;
  std::size_t snapshot_bytes_ = 0;
  bool ready_ = false;
  bool connected_ = false;
  bool distrust_ = false;  // the hash did not agree: ask for everything
  MonoTime fresh_at_{};
  Duration backoff_ = kReplicaRetryMin;
  MonoTime told_at_{};  // of the last warning
  net::Timer retry_;
  net::Timer silence_;
  std::unique_ptr<net::RpcStream> stream_;
};

}  // namespace mesh::agent
