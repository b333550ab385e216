// What every connection offers, whatever carries its bytes: a socket (tcp.h: Stream), or TLS over one (net/tls/). Code
// that moves bytes (RPC, proxy) is written against this, so that plain and encrypted legs behave alike.
//
// Thread: the loop that the stream was made with. Glossary: high mark = queued output above which the writer should
// wait; low mark = level at which it is told to go on.
#pragma once

#include <cstddef>
#include <memory>
#include <span>

#include "base/bytes.h"
#include "base/result.h"
#include "base/time.h"
#include "net/address.h"
#include "net/shared_bytes.h"

namespace mesh::net {

class Loop;

inline constexpr std::size_t kStreamHighMarkBytes = 256 * 1024;
inline constexpr std::size_t kStreamLowMarkBytes = 64 * 1024;
inline constexpr std::size_t kStreamQueueBytesMax = 64 * 1024 * 1024;  // beyond: the stream fails with Overloaded
inline constexpr Duration kWriteStallMax = seconds(30);                // no byte taken for so long: fails with Timeout

struct StreamOptions {
  std::size_t high_mark_bytes = kStreamHighMarkBytes;
  std::size_t low_mark_bytes = kStreamLowMarkBytes;
  std::size_t queue_bytes_max = kStreamQueueBytesMax;
  Duration write_stall_max = kWriteStallMax;
};

// Receives the events of one stream. Each call may destroy the stream.
class StreamObserver {
 public:
  virtual ~StreamObserver() = default;
  // Bytes in order; the view ends with the call.
  virtual void on_data(ByteView data) = 0;
  // The peer will send no more (it may still read). No on_data follows.
  virtual void on_end() = 0;
  // Queued output has fallen to the low mark after write() had said false.
  virtual void on_writable() {}
  // After shutdown_write(): the last byte and the end are with the kernel.
  virtual void on_write_closed() {}
  // The stream has failed: reset by the peer, stalled, overloaded. Nothing follows. Not called for the destructor or
  // reset().
  virtual void on_failed(const Error& error) = 0;
};

class ByteStream {
 public:
  ByteStream() = default;
  virtual ~ByteStream() = default;  // closes at once: queued output is lost
  ByteStream(const ByteStream&) = delete;
  ByteStream& operator=(const ByteStream&) = delete;

  // Nothing is read before resume_reading(). The observer must outlive the stream or be replaced.
  virtual void set_observer(StreamObserver* observer) = 0;
  virtual void set_options(const StreamOptions& options) = 0;

  // Pull: data is delivered only between resume and pause, never from inside resume. Both are idempotent.
  virtual void resume_reading() = 0;
  virtual void pause_reading() = 0;
  [[nodiscard]] virtual bool reading() const = 0;

  // Sends what the kernel takes at once and queues the rest. False: queued output is above the high mark; the writer
  // should wait for on_writable() (what was given is still sent). A failure arrives later by on_failed(). After
  // shutdown_write() or a failure the bytes are dropped.
  virtual bool write(std::span<const ByteView> pieces) = 0;
  bool write(ByteView data) { return write(std::span<const ByteView>(&data, 1)); }
  virtual bool write_owned(Bytes data) = 0;         // not copied when queued
  virtual bool write_shared(SharedBytes data) = 0;  // not copied; for bytes sent to many

  // Half-close: the end (FIN; TLS: close_notify, then FIN) follows the queued output. Reading goes on.
  virtual void shutdown_write() = 0;
  // RST (TCP) or close (unix), queued output dropped. No callback follows.
  virtual void reset() = 0;

  [[nodiscard]] virtual std::size_t queued_bytes() const = 0;
  [[nodiscard]] virtual bool above_high_mark() const = 0;
  [[nodiscard]] virtual bool failed() const = 0;
  // The failure was a connection reset: a proxy passes it on as reset().
  [[nodiscard]] virtual bool reset_by_peer() const = 0;

  [[nodiscard]] virtual const Endpoint& local() const = 0;   // for TCP the address the peer dialled
  [[nodiscard]] virtual const Endpoint& remote() const = 0;  // unix: usually an empty path
  [[nodiscard]] virtual Loop& loop() const = 0;
};

}  // namespace mesh::net
