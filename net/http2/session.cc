#include "net/http2/session.h"

#include <nghttp2/nghttp2.h>

#include <algorithm>

#include "net/http2/core.h"
#include "net/http2/nv.h"
#include "net/loop.h"

namespace mesh::net {

namespace {

constexpr std::size_t kBatchBytes = 128 * 1024;         // gathered before a write
constexpr Duration kLingerMax = seconds(2);             // for the peer's end after ours
constexpr Duration kLate = milliseconds(500);           // a timer this late: the loop stood still, not the peer
constexpr double kEmptyFramesBurst = 4096;              // frames that carry nothing
constexpr double kEmptyFramesPerSecond = 2000;

double seconds_of(Duration d) { return std::chrono::duration<double>(d).count(); }

}  // namespace

std::optional<std::string_view> Http2Headers::get(std::string_view name) const {
  for (const auto& [key, value] : fields)
    if (key == name) return value;
  return std::nullopt;
}

void Http2SessionObserver::on_request(std::unique_ptr<Http2Stream> stream, Http2Headers, bool) { stream.reset(); }

// ---- the core: life ----

Http2Core::Http2Core(std::unique_ptr<ByteStream> over_stream, Http2Session::Role as, const Http2Options& with,
                     Http2SessionObserver& to)
    : loop(over_stream->loop()),
      stream(std::move(over_stream)),
      role(as),
      options(with),
      observer(&to),
      timer(loop, [this] { on_timer(); }),
      last_received(loop.now()),
      idle_since(last_received),
      tokens(kEmptyFramesBurst),
      tokens_at(last_received) {}

Http2Core::~Http2Core() { nghttp2_session_del(nghttp2); }

void Http2Core::start() {
  nghttp2 = make_nghttp2(*this);
  stream->set_observer(this);
  stream->resume_reading();
  schedule_flush();
  arm_timer();
}

void Http2Core::on_data(ByteView data) {
  if (over || linger_deadline != kNever) return;
  const auto keep = shared_from_this();
  last_received = loop.now();
  ping_deadline = kNever;
  options.received_bytes.add(data.size());
  ++depth;
  const auto taken = nghttp2_session_mem_recv(nghttp2, reinterpret_cast<const std::uint8_t*>(data.data()), data.size());
  --depth;
  if (over) return;
  if (taken >= 0) return schedule_flush();
  if (taken == NGHTTP2_ERR_FLOODED || taken == NGHTTP2_ERR_TOO_MANY_SETTINGS)
    return finish(error(Code::Overloaded, "{} floods the connection", stream->remote().to_string()));
  finish(error(Code::Corrupt, "{} does not speak HTTP/2: {}", stream->remote().to_string(),
               nghttp2_strerror(static_cast<int>(taken))));
}

void Http2Core::on_end() {
  if (over) return;
  const bool drained = states.empty() && (draining || going_away);
  if (linger_deadline != kNever || drained || failure) return finish(end_of_drain());
  finish(error(Code::Unavailable, "{} closed the connection{}{}", stream->remote().to_string(),
               peer_reason.empty() ? "" : ": ", peer_reason));
}

void Http2Core::on_failed(const Error& why) { finish(linger_deadline != kNever ? end_of_drain() : Status(why)); }

// How a session ended that has nothing left to do: in order, unless one side had a reason.
Status Http2Core::end_of_drain() const {
  if (failure) return *failure;
  if (peer_reason.empty()) return {};
  return error(Code::Unavailable, "{} ended the connection: {}", stream->remote().to_string(), peer_reason);
}

void Http2Core::finish(Status why) {
  if (std::exchange(over, true)) return;
  const auto keep = shared_from_this();
  timer.stop();
  const Error reason = why.ok() ? error(Code::Unavailable, "the connection has ended") : why.error();
  for (auto& [id, state] : std::exchange(states, {})) {
    state->core = nullptr;
    state->queue.clear();
    Http2StreamObserver* to = std::exchange(state->observer, nullptr);
    if (to != nullptr && !(state->remote_ended && state->local_ended)) to->on_reset(Http2Error::Cancel, reason);
  }
  stream.reset();
  if (Http2SessionObserver* to = std::exchange(observer, nullptr); to != nullptr) to->on_closed(why);
}

// The user is gone: nothing is called. A last GOAWAY leaves if it can at once.
void Http2Core::abandon() {
  observer = nullptr;
  for (auto& [id, state] : std::exchange(states, {})) {
    state->core = nullptr;
    state->observer = nullptr;
    state->queue.clear();
  }
  if (std::exchange(over, true)) return;
  timer.stop();
  if (depth == 0) {
    nghttp2_session_terminate_session(nghttp2, NGHTTP2_NO_ERROR);
    nghttp2_session_send(nghttp2);
    batch.write_to(*stream);
  }
  stream.reset();
}

void Http2Core::close_later(Error why) {
  loop.defer([weak = weak_from_this(), why = std::move(why)] {
    if (const auto core = weak.lock(); core != nullptr) core->finish(why);
  });
}

void Http2Core::shut_down(MonoTime deadline) {
  if (over) return;
  drain_deadline = std::min(drain_deadline, deadline);
  if (!std::exchange(draining, true)) {
    if (role == Http2Session::Role::Server) {
      // What the client has sent before it hears of this is still served: its requests are counted a round trip later.
      drain_notice = true;
      nghttp2_submit_shutdown_notice(nghttp2);
      nghttp2_submit_ping(nghttp2, NGHTTP2_FLAG_NONE, nullptr);
      ping_deadline = std::min(ping_deadline, loop.now() + options.keepalive_time_max);
    } else {
      nghttp2_submit_goaway(nghttp2, NGHTTP2_FLAG_NONE, 0, NGHTTP2_NO_ERROR, nullptr, 0);
    }
    schedule_flush();
  }
  arm_timer();
}

void Http2Core::drain_further() {
  if (!std::exchange(drain_notice, false)) return;
  nghttp2_submit_goaway(nghttp2, NGHTTP2_FLAG_NONE, nghttp2_session_get_last_proc_stream_id(nghttp2), NGHTTP2_NO_ERROR,
                        nullptr, 0);
}

// ---- streams ----

Http2StatePtr Http2Core::find(std::int32_t id) const {
  const auto found = states.find(id);
  return found == states.end() ? nullptr : found->second;
}

Http2StatePtr Http2Core::add(std::int32_t id) {
  auto state = std::make_shared<Http2StreamState>();
  state->core = this;
  state->id = id;
  states.emplace(id, state);
  return state;
}

void Http2Core::remove(const Http2StatePtr& state, Http2Error code) {
  states.erase(state->id);
  state->core = nullptr;
  queued_bytes -= state->queue.bytes();
  state->queue.clear();
  release_held(*state, state->held);
  if (states.empty()) {
    idle_since = loop.now();
    if (options.idle_time_max != Duration::zero()) arm_timer();
  }
  Http2StreamObserver* to = std::exchange(state->observer, nullptr);
  if (to == nullptr || (state->remote_ended && state->local_ended)) return;
  to->on_reset(code, state->failure ? *state->failure
                                    : error(Code::Unavailable, "the peer reset the stream: {}", http2_error_name(code)));
}

void Http2Core::release_held(Http2StreamState& state, std::size_t bytes) {
  state.held -= bytes;
  held_bytes -= bytes;
  if (owed_bytes == 0 || held_bytes > options.held_bytes_max || over) return;
  nghttp2_session_consume_connection(nghttp2, std::exchange(owed_bytes, 0));
}

void Http2Core::consume(Http2StreamState& state, std::size_t bytes) {
  bytes = std::min(bytes, state.held);
  if (bytes == 0) return;
  nghttp2_session_consume_stream(nghttp2, state.id, bytes);
  release_held(state, bytes);
  schedule_flush();
}

void Http2Core::resume(Http2StreamState& state) {
  nghttp2_session_resume_data(nghttp2, state.id);  // says no if it was not waiting
  schedule_flush();
}

void Http2Core::submit_reset(Http2StreamState& state, Http2Error code) {
  if (std::exchange(state.resetting, true)) return;
  nghttp2_submit_rst_stream(nghttp2, NGHTTP2_FLAG_NONE, state.id, static_cast<std::uint32_t>(code));
  schedule_flush();
}

// ---- output ----

void Http2Core::schedule_flush() {
  if (over || std::exchange(flush_scheduled, true)) return;
  loop.defer([weak = weak_from_this()] {
    const auto core = weak.lock();
    if (core == nullptr) return;
    core->flush_scheduled = false;
    core->flush();
  });
}

bool Http2Core::room() {
  if (batch.bytes() >= kBatchBytes) batch.write_to(*stream);
  return !stream->above_high_mark();
}

void Http2Core::flush() {
  if (over || linger_deadline != kNever) return;
  const auto keep = shared_from_this();
  ++depth;
  const int result = nghttp2_session_send(nghttp2);
  --depth;
  if (over) return;
  batch.write_to(*stream);
  if (result != 0) return finish(error(Code::Internal, "HTTP/2 to {}: {}", stream->remote().to_string(), nghttp2_strerror(result)));
  tell_writable();
  end_if_done();
}

void Http2Core::tell_writable() {
  for (const auto& weak : std::exchange(writable, {})) {
    const auto state = weak.lock();
    if (state != nullptr && state->core != nullptr && state->observer != nullptr) state->observer->on_writable();
  }
}

void Http2Core::end_if_done() {
  if (over || nghttp2_session_want_read(nghttp2) != 0 || nghttp2_session_want_write(nghttp2) != 0) return;
  if (failure) return finish(*failure);
  stream->shutdown_write();
  linger_deadline = loop.now() + kLingerMax;
  arm_timer();
}

// ---- time and floods ----

bool Http2Core::afford_frame() {
  if (tokens < 1) {
    const MonoTime now = loop.now();
    earn_frames(seconds_of(now - tokens_at) * kEmptyFramesPerSecond);
    tokens_at = now;
  }
  if (tokens < 1) return false;
  tokens -= 1;
  return true;
}

void Http2Core::earn_frames(double count) { tokens = std::min(tokens + count, kEmptyFramesBurst); }

void Http2Core::on_timer() {
  const auto keep = shared_from_this();
  const MonoTime now = loop.now();
  if (now >= linger_deadline) return finish(end_of_drain());
  if (now >= drain_deadline) return finish(error(Code::Unavailable, "the connection was being closed and its time is over"));
  check_silence(now);
  if (over) return;
  const bool idle = options.idle_time_max != Duration::zero() && states.empty() && !draining;
  if (idle && now >= idle_since + options.idle_time_max) return shut_down(now + kLingerMax);
  arm_timer();
}

void Http2Core::check_silence(MonoTime now) {
  if (linger_deadline != kNever) return;
  if (ping_deadline == kNever) {
    if (now < last_received + options.keepalive_interval) return;
    nghttp2_submit_ping(nghttp2, NGHTTP2_FLAG_NONE, nullptr);
    ping_deadline = now + options.keepalive_time_max;
    return schedule_flush();
  }
  if (now < ping_deadline) return;
  if (now > ping_deadline + kLate) {
    ping_deadline = now + kLate;  // what has arrived meanwhile is read first
    return;
  }
  finish(error(Code::Timeout, "{} has been silent for {} ms", stream->remote().to_string(), to_millis(now - last_received)));
}

void Http2Core::arm_timer() {
  if (over) return;
  MonoTime next = std::min(linger_deadline, drain_deadline);
  next = std::min(next, ping_deadline != kNever ? ping_deadline : last_received + options.keepalive_interval);
  if (options.idle_time_max != Duration::zero() && states.empty() && !draining)
    next = std::min(next, idle_since + options.idle_time_max);
  if (next != timer.deadline()) timer.start_at(next);
}

// ---- a stream's handle ----

Http2Stream::Http2Stream(std::shared_ptr<Http2StreamState> state) : state_(std::move(state)) {}

Http2Stream::~Http2Stream() {
  state_->observer = nullptr;
  state_->handle_gone = true;
  Http2Core* core = state_->core;
  if (core == nullptr || (state_->local_ended && state_->remote_ended)) return;
  const bool server_finished = core->role == Http2Session::Role::Server && state_->ending;
  if (!server_finished) {
    core->submit_reset(*state_, Http2Error::Cancel);
    return;
  }
  core->consume(*state_, state_->held);
  if (state_->local_ended && !state_->remote_ended) core->submit_reset(*state_, Http2Error::NoError);
}

void Http2Stream::set_observer(Http2StreamObserver* observer) {
  state_->observer = state_->resetting ? nullptr : observer;
}

void Http2Stream::respond(Http2HeaderList head, bool end) {
  Http2Core* core = state_->core;
  if (core == nullptr || state_->resetting) return;
  CHECK(core->role == Http2Session::Role::Server && !state_->head_sent, "an HTTP/2 response with two heads");
  state_->head_sent = true;
  state_->ending = end;
  const auto values = to_nv(head);
  const auto provider = body_provider();
  const int result = nghttp2_submit_response(core->nghttp2, state_->id, values.data(), values.size(), end ? nullptr : &provider);
  if (result != 0) core->submit_reset(*state_, Http2Error::Internal);
  core->schedule_flush();
}

bool Http2Stream::send(SharedBytes bytes) {
  Http2Core* core = state_->core;
  if (core == nullptr || state_->resetting) return true;
  CHECK(state_->head_sent && !state_->ending, "an HTTP/2 body outside its half");
  core->queued_bytes += bytes->size();
  state_->queue.push(std::move(bytes));
  if (core->queued_bytes > core->options.queue_bytes_max) {
    state_->failure = error(Code::Overloaded, "{} bytes wait for one HTTP/2 connection, the limit is {}",
                            core->queued_bytes, core->options.queue_bytes_max);
    core->submit_reset(*state_, Http2Error::EnhanceYourCalm);
    return true;
  }
  core->resume(*state_);
  const bool room = state_->queue.bytes() <= core->options.stream_high_mark_bytes;
  state_->wants_writable = state_->wants_writable || !room;
  return room;
}

void Http2Stream::end() { end(Http2HeaderList{}); }

void Http2Stream::end(Http2HeaderList trailers) {
  Http2Core* core = state_->core;
  if (core == nullptr || state_->resetting || std::exchange(state_->ending, true)) return;
  CHECK(state_->head_sent, "an HTTP/2 half that ends before its head");
  for (const auto& [name, value] : trailers) state_->trailers.emplace_back(name, value);
  core->resume(*state_);
}

void Http2Stream::reset(Http2Error code) {
  state_->observer = nullptr;
  if (state_->core != nullptr) state_->core->submit_reset(*state_, code);
}

void Http2Stream::consume(std::size_t bytes) {
  if (state_->core != nullptr) state_->core->consume(*state_, bytes);
}

std::size_t Http2Stream::queued_bytes() const { return state_->queue.bytes(); }

// ---- the session's handle ----

Http2Session::Http2Session(std::unique_ptr<ByteStream> stream, Role role, const Http2Options& options,
                           Http2SessionObserver& observer)
    : core_(std::make_shared<Http2Core>(std::move(stream), role, options, observer)) {
  core_->start();
}

Http2Session::~Http2Session() { core_->abandon(); }

std::unique_ptr<Http2Stream> Http2Session::request(Http2HeaderList head, Http2StreamObserver& observer, bool end) {
  CHECK(core_->role == Role::Client && accepting());
  const auto values = to_nv(head);
  const auto provider = body_provider();
  const std::int32_t id = nghttp2_submit_request(core_->nghttp2, nullptr, values.data(), values.size(),
                                                 end ? nullptr : &provider, nullptr);
  if (id < 0) {
    // Ids are used up after a thousand million streams: the connection goes, the stream fails as if it had gone first.
    auto state = std::make_shared<Http2StreamState>();
    state->observer = &observer;
    core_->loop.defer([weak = std::weak_ptr(state)] {
      const auto alive = weak.lock();
      if (alive == nullptr || alive->observer == nullptr) return;
      std::exchange(alive->observer, nullptr)->on_reset(Http2Error::RefusedStream, error(Code::Unavailable, "the connection takes no more requests"));
    });
    core_->shut_down(kNever);
    return std::make_unique<Http2Stream>(std::move(state));
  }
  auto state = core_->add(id);
  state->observer = &observer;
  state->head_sent = true;
  state->ending = end;
  core_->schedule_flush();
  return std::make_unique<Http2Stream>(std::move(state));
}

bool Http2Session::accepting() const {
  return !core_->over && !core_->draining && !core_->going_away && !core_->failure && core_->linger_deadline == kNever;
}

void Http2Session::shut_down(MonoTime deadline) { core_->shut_down(deadline); }
void Http2Session::close(Error why) { core_->close_later(std::move(why)); }
std::size_t Http2Session::streams() const { return core_->states.size(); }
const ByteStream& Http2Session::stream() const {
  CHECK(core_->stream != nullptr);
  return *core_->stream;
}

}  // namespace mesh::net
