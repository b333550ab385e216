// One HTTP/2 connection (RFC 9113) over a ByteStream, either end of it; nghttp2 stays behind this wall. RPC
// (rpc_http2.h) is written on it, and the proxy's HTTP/2 legs can be.
//
// Glossary: session = the connection; stream = one request and its response; half = one direction of a stream; head =
// the headers that begin a half, trailers = those that end it; window = what the peer may still send before we consume.
// Thread: everything belongs to the ByteStream's loop. Completions: STYLE section 6; every observer call may destroy the
// stream, the session or both.
//
// Flow control: bytes of a stream's body count against its window until consume(); the window of the connection is
// opened at once, so that one slow stream does not hold the others, until held_bytes_max bytes wait in all streams.
// Output waits in its stream's queue, shared and not copied, and is taken from there only while the ByteStream is below
// its high mark.
//
// What ends a session (on_closed with the reason): the peer breaks the protocol (Corrupt), floods us with frames that
// carry nothing (Overloaded), says nothing within keepalive (Timeout), closes or resets (Unavailable), a limit of the
// ByteStream. Frames that nghttp2 itself bounds: continuations, settings, acknowledgements that wait, resets.
//
// Cost: output of a turn of the loop leaves in one gathered write; received bodies are views of the read buffer. Per
// stream about 1 KiB.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/metrics.h"
#include "base/result.h"
#include "base/time.h"
#include "net/byte_stream.h"
#include "net/shared_bytes.h"

namespace mesh::net {

struct Http2Core;
struct Http2StreamState;

// A header to send: lower-case name, pseudo-headers first. Borrowed until the call returns.
struct Http2Header {
  std::string_view name;
  std::string_view value;
};
using Http2HeaderList = std::span<const Http2Header>;

// Headers received, in order; names lower case, grammar checked by nghttp2.
struct Http2Headers {
  std::vector<std::pair<std::string, std::string>> fields;
  // The first value of that name.
  [[nodiscard]] std::optional<std::string_view> get(std::string_view name) const;
};

// RFC 9113 section 7; any other number may arrive.
enum class Http2Error : std::uint32_t {
  NoError = 0x0,
  Protocol = 0x1,
  Internal = 0x2,
  FlowControl = 0x3,
  StreamClosed = 0x5,
  RefusedStream = 0x7,
  Cancel = 0x8,
  EnhanceYourCalm = 0xb,
  InadequateSecurity = 0xc,
};

class Http2StreamObserver {
 public:
  enum class Headers : std::uint8_t { Informational, Head, Trailers };
  virtual ~Http2StreamObserver() = default;
  // A client's stream: the response's heads (1xx are Informational), then perhaps trailers. A server's: trailers only.
  virtual void on_headers(Http2Headers headers, Headers kind) = 0;
  // The view ends with the call; consume() as many bytes, now or later.
  virtual void on_data(ByteView data) = 0;
  // The peer's half is complete.
  virtual void on_end() = 0;
  // The queue has fallen to the low mark after send() had said false.
  virtual void on_writable() {}
  // The stream broke before both halves were complete: reset by the peer with this code, refused, or the connection is
  // gone (code Cancel). Nothing follows.
  virtual void on_reset(Http2Error code, const Error& why) = 0;
};

// The handle of one stream. Owned by whoever answers or asks. It may outlive the session; calls then do nothing.
// Destroying it: what a server has finished with end() is still sent, and the rest of the request ignored; a stream that
// is not complete is otherwise reset with Cancel.
class Http2Stream {
 public:
  explicit Http2Stream(std::shared_ptr<Http2StreamState> state);
  ~Http2Stream();
  Http2Stream(const Http2Stream&) = delete;
  Http2Stream& operator=(const Http2Stream&) = delete;

  // The observer must outlive the stream or be replaced; nullptr drops events (and consumes).
  void set_observer(Http2StreamObserver* observer);

  // Server: the response's head, once. Client: given with request().
  void respond(Http2HeaderList head, bool end);
  // False: the queue is above the high mark, wait for on_writable() (the bytes are still sent). REQUIRES a head, no end.
  bool send(SharedBytes bytes);
  bool send(Bytes bytes) { return send(share(std::move(bytes))); }
  // Ends our half behind what is queued.
  void end();
  void end(Http2HeaderList trailers);
  // Breaks both halves; what is queued is dropped. No callback follows.
  void reset(Http2Error code);
  // So many bytes of on_data are dealt with: the peer may send as many more.
  void consume(std::size_t bytes);

  [[nodiscard]] std::size_t queued_bytes() const;

 private:
  std::shared_ptr<Http2StreamState> state_;
};

class Http2SessionObserver {
 public:
  virtual ~Http2SessionObserver() = default;
  // Server: the head of a request has arrived. `ended`: no body follows (on_end is still called). Set the stream's
  // observer before returning, or drop the stream, which resets it.
  virtual void on_request(std::unique_ptr<Http2Stream> stream, Http2Headers head, bool ended);
  // The peer takes no new streams (GOAWAY); running ones go on, and those it has not seen are reset with RefusedStream.
  virtual void on_going_away() {}
  // Once, when the connection is gone; streams have been reset before. Ok: drained after shut_down() or GOAWAY.
  virtual void on_closed(const Status& why) = 0;
};

struct Http2Options {
  std::uint32_t streams_max = 128;                         // that the peer may have open
  std::uint32_t stream_window_bytes = 512 * 1024;
  std::uint32_t connection_window_bytes = 4 * 1024 * 1024;
  std::uint32_t frame_bytes_max = 64 * 1024;               // larger ones end the session; we send no larger ones either
  std::size_t headers_bytes_max = 32 * 1024;               // of one head or trailers, 32 more per header; else reset
  std::size_t held_bytes_max = 32 * 1024 * 1024;           // received and not consumed; then the peer has to wait
  std::size_t queue_bytes_max = 128 * 1024 * 1024;         // output of all streams; more: the stream is reset
  std::size_t stream_high_mark_bytes = 256 * 1024;
  std::size_t stream_low_mark_bytes = 64 * 1024;
  std::uint32_t resets_burst = 1024;                       // streams that the peer resets; then the session ends
  std::uint32_t resets_per_second = 100;
  Duration keepalive_interval = seconds(2);                // nothing received for so long: a ping
  Duration keepalive_time_max = seconds(3);                // and nothing after it: the peer is dead
  Duration idle_time_max = Duration::zero();               // without a stream; then shut_down(). Zero: no limit
  Counter received_bytes{};                                // of connections, framing included; default: not counted
  Counter sent_bytes{};
};

class Http2Session {
 public:
  enum class Role : std::uint8_t { Client, Server };

  // Takes over a connected ByteStream (its observer included); nothing happens before the next turn of the loop.
  // REQUIRES observer outlives the session.
  Http2Session(std::unique_ptr<ByteStream> stream, Role role, const Http2Options& options,
               Http2SessionObserver& observer);
  // Closes at once. No observer, of the session or a stream, is called any more.
  ~Http2Session();
  Http2Session(const Http2Session&) = delete;
  Http2Session& operator=(const Http2Session&) = delete;

  // Client: opens a stream; it waits inside while the peer's limit of streams is reached. REQUIRES accepting().
  [[nodiscard]] std::unique_ptr<Http2Stream> request(Http2HeaderList head, Http2StreamObserver& observer, bool end);
  // False: closed, or no new streams after shut_down() or GOAWAY.
  [[nodiscard]] bool accepting() const;

  // No new streams; on_closed follows when the last one is complete. Forced at the deadline.
  void shut_down(MonoTime deadline);
  // Now: every stream is reset with this reason, then on_closed, both from the loop's next turn.
  void close(Error why);

  [[nodiscard]] std::size_t streams() const;
  [[nodiscard]] const ByteStream& stream() const;  // REQUIRES before on_closed

 private:
  std::shared_ptr<Http2Core> core_;
};

}  // namespace mesh::net
