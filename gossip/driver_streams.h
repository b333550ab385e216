// The TCP side of the driver: one question and one answer per connection, both ways. Internal to gossip/driver.
// Loop thread only.
#pragma once

#include <cstdint>
#include <map>
#include <memory>

#include "base/function.h"
#include "gossip/actions.h"
#include "gossip/envelope.h"
#include "gossip/event.h"
#include "net/address.h"
#include "net/tcp.h"

namespace mesh::net {
class Loop;
}

namespace mesh::gossip {

// What the streams want of the driver. Called from the loop, never from inside call() or accept().
class StreamUser {
 public:
  virtual ~StreamUser() = default;
  [[nodiscard]] virtual std::shared_ptr<const Seal> stream_seal() const = 0;
  [[nodiscard]] virtual std::optional<Bytes> answer(StreamQuestion question) = 0;  // none: close
  virtual void stream_ended(Event event) = 0;                                      // StreamAnswer or StreamFailed
};

inline constexpr std::size_t kInboundStreamsMax = 32;      // more are closed at once
inline constexpr Duration kInboundStreamTime = seconds(10);

class DriverStreams {
 public:
  DriverStreams(net::Loop& loop, StreamUser& user);
  ~DriverStreams();

  void call(StreamCall call, const net::Address& to);
  void accept(std::unique_ptr<net::Stream> stream);

  [[nodiscard]] std::uint64_t refused_total() const { return refused_; }  // over kInboundStreamsMax

 private:
  class Inbound;
  class Outbound;
  void end_inbound(std::uint64_t number);
  void end_outbound(const StreamId& id, Event event);

  net::Loop& loop_;
  StreamUser& user_;
  std::map<std::uint64_t, std::unique_ptr<Inbound>> inbound_;
  std::map<StreamId, std::unique_ptr<Outbound>> outbound_;
  std::uint64_t next_ = 0;
  std::uint64_t refused_ = 0;
};

}  // namespace mesh::gossip
