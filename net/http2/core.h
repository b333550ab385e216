// Inside of session.h: what lives as long as nghttp2 may still call back. For the .cc files of this folder.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "net/http2/output.h"
#include "net/http2/session.h"
#include "net/timer.h"

struct nghttp2_session;

namespace mesh::net {

// One stream. Shared by the core (until the stream is closed) and the user's handle.
struct Http2StreamState {
  Http2Core* core = nullptr;  // null once the session is gone or the stream is closed
  std::int32_t id = 0;
  Http2StreamObserver* observer = nullptr;
  SendQueue queue;
  Http2Headers incoming;             // being received
  std::size_t incoming_bytes = 0;
  std::size_t held = 0;              // given to the observer, not consumed
  std::vector<std::pair<std::string, std::string>> trailers;
  std::optional<Error> failure;      // why we reset it, if the observer shall hear
  bool head_received = false;        // further headers are trailers
  bool head_sent = false;
  bool ending = false;               // our half ends behind the queue
  bool remote_ended = false;
  bool local_ended = false;          // END_STREAM has left
  bool resetting = false;
  bool handle_gone = false;
  bool wants_writable = false;
};
using Http2StatePtr = std::shared_ptr<Http2StreamState>;

struct Http2Core final : StreamObserver, std::enable_shared_from_this<Http2Core> {
  Http2Core(std::unique_ptr<ByteStream> over_stream, Http2Session::Role as, const Http2Options& with,
            Http2SessionObserver& to);
  ~Http2Core() override;
  void start();

  // From the ByteStream.
  void on_data(ByteView data) override;
  void on_end() override;
  void on_writable() override { flush(); }
  void on_failed(const Error& why) override;

  // From the user.
  void submit_reset(Http2StreamState& state, Http2Error code);
  void consume(Http2StreamState& state, std::size_t bytes);
  void resume(Http2StreamState& state);
  void shut_down(MonoTime deadline);
  void close_later(Error why);
  void abandon();  // the session's handle is gone
  void schedule_flush();

  // The end, once: streams are reset, then on_closed.
  void finish(Status why);
  [[nodiscard]] Status end_of_drain() const;

  // For the callbacks.
  [[nodiscard]] Http2StatePtr find(std::int32_t id) const;
  Http2StatePtr add(std::int32_t id);
  void remove(const Http2StatePtr& state, Http2Error code);
  void release_held(Http2StreamState& state, std::size_t bytes);
  // False: the peer sends more frames that carry nothing than we take.
  [[nodiscard]] bool afford_frame();
  void earn_frames(double count);
  void drain_further();
  // Room for more output; what has been gathered is written when it is much.
  [[nodiscard]] bool room();

  void flush();
  void tell_writable();
  void end_if_done();
  void on_timer();
  void check_silence(MonoTime now);
  void arm_timer();

  Loop& loop;
  std::unique_ptr<ByteStream> stream;  // null: over
  const Http2Session::Role role;
  const Http2Options options;
  Http2SessionObserver* observer;      // null: over or abandoned
  nghttp2_session* nghttp2 = nullptr;  // lives as long as this: its callbacks may be on the stack
  std::map<std::int32_t, Http2StatePtr> states;

  WriteBatch batch;
  std::size_t queued_bytes = 0;  // of all streams
  std::size_t held_bytes = 0;    // of all streams
  std::size_t owed_bytes = 0;    // of the connection's window, not given back yet
  std::vector<std::weak_ptr<Http2StreamState>> writable;  // fell to the low mark in this flush
  bool flush_scheduled = false;
  int depth = 0;  // of calls into nghttp2 that call back
  bool over = false;

  Timer timer;
  MonoTime last_received;
  MonoTime ping_deadline = kNever;   // a ping is out
  MonoTime idle_since;
  MonoTime drain_deadline = kNever;
  MonoTime linger_deadline = kNever; // our end is sent, the peer's is awaited
  bool draining = false;             // by us
  bool drain_notice = false;         // the first GOAWAY is out, the second follows the ping
  bool going_away = false;           // the peer
  std::optional<Error> failure;      // why nghttp2 is ending the session
  std::string peer_reason;           // of its GOAWAY
  double tokens;                     // for frames that carry nothing
  MonoTime tokens_at;
};

// Makes the nghttp2 session with its callbacks (callbacks.cc).
[[nodiscard]] nghttp2_session* make_nghttp2(Http2Core& core);

[[nodiscard]] std::string_view http2_error_name(Http2Error code);

}  // namespace mesh::net
