// RaftLaneSender: one of the two ways by which Raft messages go to another server: a connection of its own, kept up
// (net/rpc_redial.h), and on it one stream. The other server answers by lanes of its own.
//
//   send -> [stream stands and has room] -> encoded, on its way
//        -> [stream stands, no room] ----> queue, bounded in messages and bytes; over it: lost
//        -> [no stream] -----------------> lost: Raft sends again what it still wants
//
// Of heartbeats and their answers the queue keeps the newest: it says all that the older ones do.
// Thread: the raft loop. Dialer, loop and metrics outlive it.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <string>

#include "base/rng.h"
#include "net/rpc.h"
#include "net/rpc_redial.h"
#include "net/timer.h"
#include "raft/message.h"
#include "server/raft_metrics.h"
#include "server/raft_stream.h"

namespace mesh::server {

struct RaftLaneOptions {
  std::size_t queue_messages_max;
  std::size_t queue_bytes_max;  // one message always fits
  net::RpcRedialOptions redial;

  [[nodiscard]] static RaftLaneOptions of(RaftLane lane);
};

class RaftLaneSender final : private net::RpcStreamObserver {
 public:
  static constexpr Duration kReopenMin = milliseconds(100);  // after a refused stream; doubles up to the maximum
  static constexpr Duration kReopenMax = seconds(5);

  struct Parts {
    net::Loop& loop;
    net::RpcDialer& dialer;
    const RaftMetrics& metrics;
  };
  RaftLaneSender(Parts parts, Rng rng, RaftOpening opening, RaftLaneOptions options);
  ~RaftLaneSender() override;
  RaftLaneSender(const RaftLaneSender&) = delete;
  RaftLaneSender& operator=(const RaftLaneSender&) = delete;

  void set_address(const net::Endpoint& address);
  // Our own identity, or what we say of ourselves, has changed.
  void renew(std::string own_address);
  void send(const raft::Message& message);

  // Messages leave now. Not: whether the other side believes us, which it says only by ending the stream.
  [[nodiscard]] bool connected() const { return stream_ != nullptr; }
  [[nodiscard]] std::string describe() const;
  [[nodiscard]] std::size_t queued() const { return queue_.size(); }
  [[nodiscard]] std::size_t queued_bytes() const { return queued_bytes_; }
  [[nodiscard]] net::RpcChannel& channel() { return redial_; }

 private:
  struct Queued {
    Bytes bytes;
    std::size_t kind;  // index of the body
  };

  void on_link_change();
  void open_stream();
  void close_stream();
  void enqueue(Queued message);
  void transmit(Bytes bytes);

  void on_message(ByteView) override {}
  void on_writable() override;
  void on_end(Status status) override;

  Parts parts_;
  RaftOpening opening_;
  RaftLaneOptions options_;
  Gauge connected_gauge_;
  std::string refusal_;      // why the other side ended the stream last
  Duration reopen_pause_ = kReopenMin;
  MonoTime opened_at_{};
  bool room_ = false;        // the stream takes more
  std::deque<Queued> queue_;
  std::size_t queued_bytes_ = 0;
  net::Timer reopen_timer_;
  net::RpcRedialChannel redial_;
  std::unique_ptr<net::RpcStream> stream_;
};

}  // namespace mesh::server
