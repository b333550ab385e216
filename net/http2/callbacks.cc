// What nghttp2 tells and asks while it reads and writes. Each function may end in a user's observer, who may destroy the
// stream or the session: after such a call only `core.over` is looked at, which a shared_ptr up the stack keeps alive.
#include <nghttp2/nghttp2.h>

#include <algorithm>

#include "net/http2/core.h"
#include "net/http2/nv.h"
#include "net/loop.h"

namespace mesh::net {

namespace {

constexpr std::size_t kHeaderCostBytes = 32;  // as SETTINGS_MAX_HEADER_LIST_SIZE counts
constexpr std::size_t kReasonBytesMax = 128;  // of a GOAWAY, for errors
constexpr double kBytesPerFrame = 2048;       // sent or received bytes that pay for one frame without

Http2Core& core_of(void* user) { return *static_cast<Http2Core*>(user); }
ByteView view(const std::uint8_t* data, std::size_t size) { return {reinterpret_cast<const char*>(data), size}; }
int go_on(const Http2Core& core) { return core.over ? NGHTTP2_ERR_CALLBACK_FAILURE : 0; }

std::string printable(ByteView text) {
  std::string out(text.substr(0, kReasonBytesMax));
  for (char& c : out)
    if (c < 0x20 || c > 0x7e) c = '?';
  return out;
}

// ---- reading ----

int on_begin_frame(nghttp2_session* session, const nghttp2_frame_hd* head, void* user) {
  Http2Core& core = core_of(user);
  if (head->type == NGHTTP2_HEADERS) return 0;
  if (head->type == NGHTTP2_DATA && head->length != 0) {
    core.earn_frames(static_cast<double>(head->length) / kBytesPerFrame);
    return 0;
  }
  if (core.afford_frame() || core.failure) return 0;
  core.failure = error(Code::Overloaded, "{} sends too many frames that carry nothing", core.stream->remote().to_string());
  return nghttp2_session_terminate_session(session, NGHTTP2_ENHANCE_YOUR_CALM);
}

int on_begin_headers(nghttp2_session*, const nghttp2_frame* frame, void* user) {
  Http2Core& core = core_of(user);
  Http2StatePtr state = core.find(frame->hd.stream_id);
  if (state == nullptr && frame->headers.cat == NGHTTP2_HCAT_REQUEST) state = core.add(frame->hd.stream_id);
  if (state == nullptr) return 0;
  state->incoming = {};
  state->incoming_bytes = 0;
  return 0;
}

int on_header(nghttp2_session* session, const nghttp2_frame* frame, const std::uint8_t* name, std::size_t name_size,
              const std::uint8_t* value, std::size_t value_size, std::uint8_t, void* user) {
  Http2Core& core = core_of(user);
  const Http2StatePtr state = core.find(frame->hd.stream_id);
  if (state == nullptr) return 0;
  state->incoming_bytes += name_size + value_size + kHeaderCostBytes;
  if (state->incoming_bytes > core.options.headers_bytes_max) {
    state->failure = error(Code::Overloaded, "the headers are over the limit of {} bytes", core.options.headers_bytes_max);
    state->resetting = true;
    nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, state->id, NGHTTP2_ENHANCE_YOUR_CALM);
    return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
  }
  state->incoming.fields.emplace_back(view(name, name_size), view(value, value_size));
  return 0;
}

int on_remote_end(Http2Core& core, const Http2StatePtr& state) {
  state->remote_ended = true;
  if (state->observer != nullptr) state->observer->on_end();
  return go_on(core);
}

int on_headers(Http2Core& core, const nghttp2_frame& frame) {
  const Http2StatePtr state = core.find(frame.hd.stream_id);
  if (state == nullptr || state->resetting) return 0;
  const bool ended = (frame.hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
  Http2Headers headers = std::exchange(state->incoming, {});
  if (frame.headers.cat == NGHTTP2_HCAT_REQUEST) {
    state->head_received = true;
    if (core.observer != nullptr)
      core.observer->on_request(std::make_unique<Http2Stream>(state), std::move(headers), ended);
  } else {
    auto kind = Http2StreamObserver::Headers::Trailers;
    if (!state->head_received) {
      const bool informational = headers.get(":status").value_or("").starts_with('1');
      kind = informational ? Http2StreamObserver::Headers::Informational : Http2StreamObserver::Headers::Head;
      state->head_received = !informational;
    }
    if (state->observer != nullptr) state->observer->on_headers(std::move(headers), kind);
  }
  if (core.over) return NGHTTP2_ERR_CALLBACK_FAILURE;
  return ended ? on_remote_end(core, state) : 0;
}

int on_goaway(Http2Core& core, const nghttp2_goaway& frame) {
  const auto code = static_cast<Http2Error>(frame.error_code);
  if (code != Http2Error::NoError)
    core.peer_reason = fmt::format("{} {}", http2_error_name(code), printable(view(frame.opaque_data, frame.opaque_data_len)));
  if (!std::exchange(core.going_away, true) && core.observer != nullptr) core.observer->on_going_away();
  return go_on(core);
}

int on_frame_recv(nghttp2_session*, const nghttp2_frame* frame, void* user) {
  Http2Core& core = core_of(user);
  switch (frame->hd.type) {
    case NGHTTP2_HEADERS: return on_headers(core, *frame);
    case NGHTTP2_GOAWAY: return on_goaway(core, frame->goaway);
    case NGHTTP2_PING:
      if ((frame->hd.flags & NGHTTP2_FLAG_ACK) != 0) core.drain_further();
      return 0;
    case NGHTTP2_DATA: {
      const bool ended = (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
      const Http2StatePtr state = ended ? core.find(frame->hd.stream_id) : nullptr;
      return state == nullptr ? 0 : on_remote_end(core, state);
    }
    default: return 0;
  }
}

int on_data_chunk(nghttp2_session* session, std::uint8_t, std::int32_t id, const std::uint8_t* data, std::size_t size,
                  void* user) {
  Http2Core& core = core_of(user);
  const Http2StatePtr state = core.find(id);
  if (state == nullptr) {
    nghttp2_session_consume(session, id, size);
    return 0;
  }
  state->held += size;
  core.held_bytes += size;
  if (core.held_bytes <= core.options.held_bytes_max) nghttp2_session_consume_connection(session, size);
  else core.owed_bytes += size;
  if (state->observer == nullptr) core.consume(*state, size);
  else state->observer->on_data(view(data, size));
  return go_on(core);
}

int on_stream_close(nghttp2_session*, std::int32_t id, std::uint32_t code, void* user) {
  Http2Core& core = core_of(user);
  if (const Http2StatePtr state = core.find(id); state != nullptr) core.remove(state, static_cast<Http2Error>(code));
  return go_on(core);
}

// ---- writing ----

ssize_t on_send(nghttp2_session*, const std::uint8_t* data, std::size_t size, int, void* user) {
  Http2Core& core = core_of(user);
  if (!core.room()) return NGHTTP2_ERR_WOULDBLOCK;
  core.batch.copy(view(data, size));
  core.options.sent_bytes.add(size);
  return static_cast<ssize_t>(size);
}

ssize_t read_body(nghttp2_session* session, std::int32_t id, std::uint8_t*, std::size_t size, std::uint32_t* flags,
                  nghttp2_data_source*, void* user) {
  const Http2StatePtr state = core_of(user).find(id);
  if (state == nullptr || state->resetting) return NGHTTP2_ERR_DEFERRED;
  const std::size_t bytes = std::min(size, state->queue.bytes());
  if (bytes == 0 && !state->ending) return NGHTTP2_ERR_DEFERRED;
  *flags |= NGHTTP2_DATA_FLAG_NO_COPY;
  if (!state->ending || bytes < state->queue.bytes()) return static_cast<ssize_t>(bytes);
  *flags |= NGHTTP2_DATA_FLAG_EOF;
  if (state->trailers.empty()) return static_cast<ssize_t>(bytes);
  *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
  std::vector<Http2Header> trailers;
  for (const auto& [name, value] : state->trailers) trailers.push_back({name, value});
  const auto values = to_nv(trailers);
  nghttp2_submit_trailer(session, id, values.data(), values.size());
  return static_cast<ssize_t>(bytes);
}

int send_data(nghttp2_session*, nghttp2_frame* frame, const std::uint8_t* head, std::size_t size, nghttp2_data_source*,
              void* user) {
  Http2Core& core = core_of(user);
  const Http2StatePtr state = core.find(frame->hd.stream_id);
  if (state == nullptr) return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
  if (!core.room()) return NGHTTP2_ERR_WOULDBLOCK;
  constexpr std::size_t kFrameHeadBytes = 9;
  core.batch.copy(view(head, kFrameHeadBytes));
  state->queue.move_to(core.batch, size);
  core.options.sent_bytes.add(kFrameHeadBytes + size);
  core.queued_bytes -= size;
  core.earn_frames(static_cast<double>(size) / kBytesPerFrame);
  if (state->wants_writable && state->queue.bytes() <= core.options.stream_low_mark_bytes) {
    state->wants_writable = false;
    core.writable.push_back(state);
  }
  return 0;
}

int on_frame_send(nghttp2_session* session, const nghttp2_frame* frame, void* user) {
  Http2Core& core = core_of(user);
  if (frame->hd.type == NGHTTP2_GOAWAY && frame->goaway.error_code != NGHTTP2_NO_ERROR && !core.failure) {
    core.failure = error(Code::Corrupt, "{} broke the HTTP/2 protocol: {}", core.stream->remote().to_string(),
                         printable(view(frame->goaway.opaque_data, frame->goaway.opaque_data_len)));
    return 0;
  }
  const bool body = frame->hd.type == NGHTTP2_HEADERS || frame->hd.type == NGHTTP2_DATA;
  if (!body || (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) == 0) return 0;
  const Http2StatePtr state = core.find(frame->hd.stream_id);
  if (state == nullptr) return 0;
  state->local_ended = true;
  if (state->handle_gone && !state->remote_ended && !std::exchange(state->resetting, true))
    nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, state->id, NGHTTP2_NO_ERROR);
  return 0;
}

// A request that could not begin: cancelled while it waited, or the peer is going away.
int on_frame_not_send(nghttp2_session*, const nghttp2_frame* frame, int, void* user) {
  Http2Core& core = core_of(user);
  if (frame->hd.type != NGHTTP2_HEADERS || frame->headers.cat != NGHTTP2_HCAT_REQUEST) return 0;
  if (const Http2StatePtr state = core.find(frame->hd.stream_id); state != nullptr)
    core.remove(state, Http2Error::RefusedStream);
  return go_on(core);
}

ssize_t body_frame_bytes(nghttp2_session*, std::uint8_t, std::int32_t, std::int32_t, std::int32_t,
                         std::uint32_t remote_max, void* user) {
  return static_cast<ssize_t>(std::min(remote_max, core_of(user).options.frame_bytes_max));
}

struct Freed {
  void operator()(nghttp2_session_callbacks* callbacks) const { nghttp2_session_callbacks_del(callbacks); }
  void operator()(nghttp2_option* option) const { nghttp2_option_del(option); }
};

std::unique_ptr<nghttp2_session_callbacks, Freed> make_callbacks() {
  nghttp2_session_callbacks* c = nullptr;
  CHECK(nghttp2_session_callbacks_new(&c) == 0, "out of memory");
  nghttp2_session_callbacks_set_on_begin_frame_callback(c, on_begin_frame);
  nghttp2_session_callbacks_set_on_begin_headers_callback(c, on_begin_headers);
  nghttp2_session_callbacks_set_on_header_callback(c, on_header);
  nghttp2_session_callbacks_set_on_frame_recv_callback(c, on_frame_recv);
  nghttp2_session_callbacks_set_on_data_chunk_recv_callback(c, on_data_chunk);
  nghttp2_session_callbacks_set_on_stream_close_callback(c, on_stream_close);
  nghttp2_session_callbacks_set_send_callback(c, on_send);
  nghttp2_session_callbacks_set_send_data_callback(c, send_data);
  nghttp2_session_callbacks_set_on_frame_send_callback(c, on_frame_send);
  nghttp2_session_callbacks_set_on_frame_not_send_callback(c, on_frame_not_send);
  nghttp2_session_callbacks_set_data_source_read_length_callback(c, body_frame_bytes);
  return std::unique_ptr<nghttp2_session_callbacks, Freed>(c);
}

void submit_settings(nghttp2_session* session, const Http2Core& core) {
  const bool client = core.role == Http2Session::Role::Client;
  std::vector<nghttp2_settings_entry> entries = {
      {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, core.options.stream_window_bytes},
      {NGHTTP2_SETTINGS_MAX_FRAME_SIZE, core.options.frame_bytes_max},
      {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, static_cast<std::uint32_t>(core.options.headers_bytes_max)},
      {NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES, 1},
  };
  if (client) entries.push_back({NGHTTP2_SETTINGS_ENABLE_PUSH, 0});
  else entries.push_back({NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, core.options.streams_max});
  nghttp2_submit_settings(session, NGHTTP2_FLAG_NONE, entries.data(), entries.size());
  nghttp2_session_set_local_window_size(session, NGHTTP2_FLAG_NONE, 0,
                                        static_cast<std::int32_t>(core.options.connection_window_bytes));
}

}  // namespace

nghttp2_data_provider body_provider() {
  nghttp2_data_provider provider{};
  provider.read_callback = read_body;
  return provider;
}

nghttp2_session* make_nghttp2(Http2Core& core) {
  nghttp2_option* raw = nullptr;
  CHECK(nghttp2_option_new(&raw) == 0, "out of memory");
  const std::unique_ptr<nghttp2_option, Freed> option(raw);
  nghttp2_option_set_no_auto_window_update(raw, 1);
  nghttp2_option_set_no_closed_streams(raw, 1);
  nghttp2_option_set_stream_reset_rate_limit(raw, core.options.resets_burst, core.options.resets_per_second);
  const auto callbacks = make_callbacks();
  nghttp2_session* session = nullptr;
  const int result = core.role == Http2Session::Role::Client
                         ? nghttp2_session_client_new2(&session, callbacks.get(), &core, raw)
                         : nghttp2_session_server_new2(&session, callbacks.get(), &core, raw);
  CHECK(result == 0, "out of memory");
  submit_settings(session, core);
  return session;
}

std::string_view http2_error_name(Http2Error code) { return nghttp2_http2_strerror(static_cast<std::uint32_t>(code)); }

}  // namespace mesh::net
