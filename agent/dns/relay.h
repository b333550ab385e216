// One forwarded question: the attempts at one recursor after the other. The inside of the forwarder.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "agent/dns/message.h"
#include "base/bytes.h"
#include "base/function.h"
#include "base/result.h"
#include "base/rng.h"
#include "net/address.h"
#include "net/tcp.h"
#include "net/timer.h"
#include "net/udp.h"

namespace mesh::dns {

// Belongs to one loop. on_done is called once, from the loop; it may destroy the relay.
class Relay final : private net::StreamObserver {
 public:
  using OnDone = UniqueFunction<void(Result<Bytes>)>;

  // `recursors` must outlive the relay and is not empty. `query` is a well-formed query packet.
  Relay(net::Loop& loop, const std::vector<net::Address>& recursors, Duration attempt_time, Rng& rng, ByteView query,
        bool over_tcp, OnDone on_done);
  ~Relay() override;

  [[nodiscard]] MonoTime started() const { return started_; }

 private:
  void attempt();
  void next_or_finish(Error error);
  void on_datagram(const net::Address& from, ByteView data);
  void ask_over_tcp();
  void on_connected(Result<std::unique_ptr<net::Stream>> stream);
  void on_data(ByteView data) override;
  void on_end() override;
  void on_failed(const Error& error) override;
  void on_reply(ByteView reply);
  void close_sockets();
  void finish(Result<Bytes> result);

  net::Loop& loop_;
  const std::vector<net::Address>& recursors_;
  Duration attempt_time_;
  Rng& rng_;
  Bytes query_;          // with the id of the running attempt
  Question question_;
  bool over_tcp_;
  OnDone on_done_;
  MonoTime started_;
  std::size_t at_ = 0;   // which recursor
  std::uint16_t id_ = 0;
  Bytes refusal_;        // the last SERVFAIL or REFUSED, if nobody has better
  net::Timer timer_;
  std::unique_ptr<net::UdpSocket> udp_;
  std::unique_ptr<net::StreamConnect> connect_;
  std::unique_ptr<net::Stream> stream_;
  Bytes stream_bytes_;
};

}  // namespace mesh::dns
