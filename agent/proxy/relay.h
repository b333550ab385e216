// Relay: moves bytes between the two legs of a connection until both directions have ended or one leg breaks. It does not
// care which leg is plain and which is TLS.
//
// What it keeps of TCP: each direction ends by itself (the end of one leg's input is passed on at once behind the bytes before
// it, the other direction runs on, for as long as it likes); a reset is passed on as a reset; neither side has to speak first;
// a reader that does not read stops its writer, after at most kRelayHighMarkBytes and one read have been taken for it.
// No byte is copied when the other leg takes it at once. A program that takes nothing for hours is left alone (the kernel
// ends connections whose host is gone); only idle_time, if set, ends a silent connection.
//
// Thread: the loop of both streams. on_end is called once, never from inside start(); the streams are gone by then, and the
// relay may be destroyed with destroy_later() from there.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "base/bytes.h"
#include "base/function.h"
#include "base/metrics.h"
#include "base/time.h"
#include "model/reason_code.h"
#include "net/byte_stream.h"
#include "net/timer.h"

namespace mesh::proxy {

inline constexpr std::size_t kRelayHighMarkBytes = 64 * 1024;
inline constexpr std::size_t kRelayLowMarkBytes = 16 * 1024;
inline constexpr std::size_t kRelayQueueBytesMax = 1024 * 1024;  // never reached but by a defect: the leg fails
inline constexpr Duration kRelayStallMax = hours(24 * 365);

struct RelayOptions {
  Duration idle_time{};    // 0: no limit
  Counter to_destination{};  // bytes
  Counter to_source{};
};

// What was read from the legs before the relay got them.
struct RelayStart {
  ByteView for_source{};
  ByteView for_destination{};
  bool source_ended = false;  // the source's end was seen already
  std::size_t destination_has = 0;  // bytes of the source that it was sent already
};

class Relay {
 public:
  // Connected: both directions ended in order. Else ResetBySource, ResetByDestination, IdleTimeout.
  using OnEnd = UniqueFunction<void(model::ReasonCode)>;

  // source: the leg of the program that called.
  Relay(std::unique_ptr<net::ByteStream> source, std::unique_ptr<net::ByteStream> destination,
        const RelayOptions& options, OnEnd on_end);
  ~Relay();
  Relay(const Relay&) = delete;
  Relay& operator=(const Relay&) = delete;

  void start(const RelayStart& start);
  // Resets both legs; on_end is not called.
  void reset();

  [[nodiscard]] std::uint64_t bytes_to_destination() const { return source_.bytes; }
  [[nodiscard]] std::uint64_t bytes_to_source() const { return destination_.bytes; }
  // Taken from one leg and waiting for the other; both directions.
  [[nodiscard]] std::size_t queued_bytes() const;

 private:
  struct Leg final : net::StreamObserver {
    void on_data(ByteView data) override;
    void on_end() override;
    void on_writable() override;
    void on_write_closed() override;
    void on_failed(const Error& error) override;

    void prepare(Relay& owner, Leg& opposite);
    void read_on();
    void count(std::size_t read);
    [[nodiscard]] bool flushed() const { return write_closed || stream->queued_bytes() == 0; }

    Relay* relay = nullptr;
    Leg* other = nullptr;
    std::unique_ptr<net::ByteStream> stream;
    Counter counter;          // of bytes read here
    std::uint64_t bytes = 0;  // read here
    bool ended = false;       // no more comes from here
    bool write_closed = false;
  };

  void touch();
  void check_end();
  void leg_failed(const Leg& leg);
  void end(model::ReasonCode reason);

  Leg source_;
  Leg destination_;
  Duration idle_time_;
  std::unique_ptr<net::Timer> idle_;  // only with an idle time
  OnEnd on_end_;
};

}  // namespace mesh::proxy
