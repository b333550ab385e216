#include "net/http1/connection.h"

#include <fmt/core.h>

#include "net/loop.h"

namespace mesh::net {

namespace {

constexpr int kRequestsPerTurn = 64;                    // of one connection, then others have their turn
constexpr std::size_t kOwnedBodyBytes = 64 * 1024;      // from here a body is kept instead of copied
constexpr std::size_t kBodyReserveBytes = 64 * 1024;    // before any of a body has arrived

Http1HeadLimits head_limits(const Http1Limits& limits) {
  return Http1HeadLimits{limits.target_bytes_max, limits.headers_bytes_max, limits.headers_count_max};
}

}  // namespace

Http1Connection::Http1Connection(Http1Server& server, std::unique_ptr<Stream> stream)
    : server_(server),
      loop_(server.loop_),
      stream_(std::move(stream)),
      peer_{stream_->local(), stream_->remote(), stream_->peer_credentials()},
      parser_(head_limits(server.limits_)),
      timer_(loop_, [this] { timed_out(); }),
      self_(std::make_shared<Http1Connection*>(this)) {}

Http1Connection::~Http1Connection() {
  *self_ = nullptr;
  if (exchange_ != nullptr) exchange_->connection_ = nullptr;
}

void Http1Connection::start() {
  stream_->set_observer(this);
  enter(State::Waiting);
  stream_->resume_reading();
}

void Http1Connection::enter(State state) {
  state_ = state;
  const Http1Limits& limits = server_.limits_;
  switch (state) {
    case State::Waiting: return timer_.start_after(limits.idle_time_max);
    case State::Head: return timer_.start_after(limits.head_time_max);
    case State::Body:
      body_deadline_ = loop_.now() + limits.body_time_max;
      return timer_.start_at(body_deadline_);
    case State::Lingering: return timer_.start_after(limits.linger_time_max);
    case State::Answering:
    case State::Gone: return timer_.stop();
  }
}

void Http1Connection::timed_out() {
  switch (state_) {
    case State::Waiting: return linger();
    case State::Head:
      if (parser_.untouched()) return linger();  // only an empty line came
      return refuse(408, "the request head took too long");
    case State::Body:
      if (body_paused_) return timer_.start_after(server_.limits_.body_time_max);
      return refuse(408, "the request body took too long");
    case State::Lingering:
      // A peer that still takes output is bounded by the stream's own stall limit.
      if (stream_->queued_bytes() != 0) return timer_.start_after(server_.limits_.linger_time_max);
      return remove();
    case State::Answering:
    case State::Gone: return;
  }
}

// ---- reading ----

bool Http1Connection::may_read_request() const {
  return (state_ == State::Waiting || state_ == State::Head || state_ == State::Body) && !body_paused_ &&
         !stream_->above_high_mark();
}

void Http1Connection::on_data(ByteView data) {
  if (state_ == State::Lingering) return;
  if (may_read_request() && backlog_.empty()) return process(data);
  backlog_.append(data);
  if (backlog_.size() > server_.limits_.pipelined_bytes_max) stream_->pause_reading();
}

void Http1Connection::process(ByteView input) {
  processing_ = true;
  int requests = kRequestsPerTurn;
  while (may_read_request() && step(input) && requests > 0)
    if (state_ == State::Waiting) --requests;
  processing_ = false;
  if (state_ == State::Gone || state_ == State::Lingering) return;
  backlog_.assign(input);
  if (!backlog_.empty() && may_read_request()) return process_backlog_later();
  if (peer_ended_ && may_read_request() && backlog_.empty()) linger();
}

// One step of the parser. False: nothing more can be done with the input that is there.
bool Http1Connection::step(ByteView& input) {
  const Http1Parser::Advance advance = parser_.advance(input);
  if (state_ == State::Waiting && !parser_.untouched()) {
    head_request_ = http10_ = false;
    enter(State::Head);
  }
  input.remove_prefix(advance.consumed);
  switch (advance.step) {
    case Http1Parser::Step::NeedMore: return false;
    case Http1Parser::Step::Head: head_arrived(!input.empty()); break;
    case Http1Parser::Step::Body: body_arrived(); break;
    case Http1Parser::Step::End: request_complete(); break;
    case Http1Parser::Step::Failed: refuse(parser_.failure().status, parser_.failure().reason); break;
  }
  return true;
}

void Http1Connection::process_backlog() {
  if (processing_ || !may_read_request()) return;
  const Bytes input = std::exchange(backlog_, {});
  process(input);
  if (state_ == State::Gone || state_ == State::Lingering) return;
  if (!peer_ended_ && !body_paused_ && backlog_.size() <= server_.limits_.pipelined_bytes_max) stream_->resume_reading();
}

// In another turn of the loop, so that one connection's queue does not hold up the others.
void Http1Connection::process_backlog_later() {
  loop_.post([self = self_] {
    if (*self != nullptr) (*self)->process_backlog();
  });
}

void Http1Connection::head_arrived(bool more_input) {
  ++server_.requests_;
  request_ = parser_.take_head();
  head_request_ = request_.method == HttpMethod::Head;
  http10_ = request_.version_minor == 0;
  keep_alive_ = parser_.keep_alive() && !server_.stopping_;
  request_arrived_ = answer_started_ = handler_called_ = false;
  body_bytes_ = 0;
  plan_ = {};
  enter(State::Body);
  if (!parser_.has_body()) return;
  plan_ = server_.handler_.body_plan(request_);
  if (plan_.bytes_max == 0) plan_.bytes_max = server_.limits_.body_bytes_max;
  if (parser_.content_length().value_or(0) > plan_.bytes_max) return refuse(413, "the request body is too large");
  // RFC 9110 section 10.1.1.
  if (const auto expect = request_.headers.get("expect"); expect && !http10_) {
    if (!equals_ignore_case(*expect, "100-continue")) return refuse(417, "the only expectation known is 100-continue");
    if (!more_input) stream_->write("HTTP/1.1 100 Continue\r\n\r\n");
  }
  if (plan_.how == HttpHandler::BodyPlan::How::Stream) return call_handler();
  const std::uint64_t expected = parser_.content_length().value_or(0);
  request_.body.reserve(static_cast<std::size_t>(std::min<std::uint64_t>(expected, kBodyReserveBytes)));
}

void Http1Connection::body_arrived() {
  const Http1Limits& limits = server_.limits_;
  const bool streamed = plan_.how == HttpHandler::BodyPlan::How::Stream;
  for (const ByteView piece : parser_.pieces()) {
    body_bytes_ += piece.size();
    if (body_bytes_ > plan_.bytes_max) return refuse(413, "the request body is too large");
    if (!streamed)
      request_.body.append(piece);
    else if (exchange_ != nullptr && exchange_->sink_ != nullptr)
      exchange_->sink_->on_body(piece);
    if (state_ != State::Body) return;
  }
  timer_.start_at(body_deadline_ + seconds(static_cast<std::int64_t>(body_bytes_ / limits.body_rate_min)));
}

void Http1Connection::request_complete() {
  request_arrived_ = true;
  parser_.start_next();
  enter(State::Answering);
  if (!handler_called_) return call_handler();
  if (exchange_ == nullptr) return answer_complete();
  if (exchange_->sink_ != nullptr) exchange_->sink_->on_body_end();
}

void Http1Connection::call_handler() {
  handler_called_ = true;
  auto exchange = std::make_unique<HttpExchange>(this);
  exchange_ = exchange.get();
  server_.handler_.handle(std::exchange(request_, {}), peer_, std::move(exchange));
}

// ---- events of the stream ----

void Http1Connection::on_end() {
  peer_ended_ = true;
  if (state_ == State::Lingering) {
    if (stream_->queued_bytes() == 0) remove();
    return;
  }
  if (state_ == State::Body) return remove();  // a body that never ends
  if (exchange_ != nullptr) return tell_closed();
  if (backlog_.empty()) linger();
}

void Http1Connection::on_writable() {
  if (exchange_ != nullptr && exchange_->on_writable_) {
    HttpExchange* const exchange = exchange_;
    UniqueFunction<void()> fn = std::move(exchange->on_writable_);
    fn();  // may destroy the exchange
    if (exchange_ == exchange && !exchange->on_writable_) exchange->on_writable_ = std::move(fn);
  }
  process_backlog();
}

void Http1Connection::on_write_closed() {
  if (state_ == State::Lingering && peer_ended_) remove();
}

void Http1Connection::on_failed(const Error&) {
  remove();
}

void Http1Connection::cut() {
  if (state_ == State::Gone) return;
  enter(State::Gone);
  stream_.reset();
  if (HttpExchange* exchange = std::exchange(exchange_, nullptr); exchange != nullptr) {
    exchange->connection_ = nullptr;
    if (auto fn = std::exchange(exchange->on_closed_, nullptr); fn) fn();
  }
}

// The peer has half-closed: an answer could still be read, but most peers are gone.
void Http1Connection::tell_closed() {
  if (exchange_ == nullptr) return;
  if (auto fn = std::exchange(exchange_->on_closed_, nullptr); fn) fn();
}

// A pipelined request may be handled after its peer has half-closed.
void Http1Connection::closed_is_watched() {
  if (!peer_ended_) return;
  loop_.defer([self = self_] {
    if (*self != nullptr) (*self)->tell_closed();
  });
}

void Http1Connection::finish_and_close() {
  keep_alive_ = false;
  if (state_ == State::Waiting) linger();
}

void Http1Connection::remove() {
  if (state_ == State::Gone) return;
  cut();
  server_.removed(*this);
}

void Http1Connection::linger() {
  if (state_ == State::Lingering || state_ == State::Gone) return;
  enter(State::Lingering);
  backlog_.clear();
  if (peer_ended_ && stream_->queued_bytes() == 0) return remove();
  stream_->resume_reading();
  stream_->shutdown_write();
}

// ---- answering ----

void Http1Connection::send_head(const HttpResponse& response, Http1Framing framing) {
  using Say = Http1Framing::Connection;
  if (!request_arrived_) keep_alive_ = false;  // the rest of the body would be read as a request
  framing.connection = !keep_alive_ ? Say::Close : http10_ ? Say::KeepAlive : Say::Unsaid;
  const std::string head = write_response_head(response, framing, server_.date());
  answer_started_ = true;
  if (!answer_body_ || response.body.size() >= kOwnedBodyBytes || framing.chunked) {
    stream_->write(head);
    return;
  }
  const ByteView pieces[] = {head, response.body};
  stream_->write(pieces);
}

bool Http1Connection::sends_body(int status) const {
  return !head_request_ && status >= 200 && status != 204 && status != 304;
}

void Http1Connection::reply(HttpResponse response) {
  CHECK(!answer_started_, "an exchange is answered twice");
  answer_body_ = sends_body(response.status);
  Http1Framing framing;
  if (response.status >= 200 && response.status != 204 && response.status != 304)
    framing.content_length = response.body.size();
  send_head(response, framing);
  if (answer_body_ && response.body.size() >= kOwnedBodyBytes) stream_->write_owned(std::move(response.body));
  answer_complete();
}

void Http1Connection::start_answer(HttpResponse response, std::optional<std::uint64_t> length) {
  CHECK(!answer_started_, "an exchange is answered twice");
  answer_body_ = sends_body(response.status);
  answer_chunked_ = !length && !http10_ && response.status != 204;
  answer_left_ = length;
  if (!length && http10_) keep_alive_ = false;
  const Bytes first = std::exchange(response.body, {});
  send_head(response, Http1Framing{.content_length = length, .chunked = answer_chunked_});
  if (!first.empty()) write_piece(first);
}

bool Http1Connection::write_piece(ByteView piece) {
  CHECK(answer_started_, "write before start");
  if (answer_left_) {
    if (!CONTAIN(piece.size() <= *answer_left_, "an answer is longer than it said"))
      piece = piece.substr(0, static_cast<std::size_t>(*answer_left_));
    *answer_left_ -= piece.size();
  }
  if (!answer_body_ || piece.empty()) return !stream_->above_high_mark();
  if (!answer_chunked_) return stream_->write(piece);
  const std::string size = fmt::format("{:x}\r\n", piece.size());
  const ByteView pieces[] = {size, piece, "\r\n"};
  return stream_->write(pieces);
}

void Http1Connection::end_answer() {
  CHECK(answer_started_, "end before start");
  if (answer_body_ && answer_left_.value_or(0) != 0) return abandoned();  // shorter than it said
  if (answer_body_ && answer_chunked_) stream_->write("0\r\n\r\n");
  answer_complete();
}

// The exchange is over for its owner. Nothing of the next request is handled inside this call.
void Http1Connection::answer_complete() {
  if (exchange_ != nullptr) std::exchange(exchange_, nullptr)->connection_ = nullptr;
  answer_left_.reset();
  if (!keep_alive_ || !request_arrived_ || server_.stopping_) return linger();
  enter(State::Waiting);
  if (processing_) return;
  if (backlog_.empty() && peer_ended_) return linger();
  if (!backlog_.empty()) process_backlog_later();
}

// The owner destroyed the exchange too early.
void Http1Connection::abandoned() {
  keep_alive_ = false;
  if (answer_started_ || peer_ended_) {
    if (exchange_ != nullptr) std::exchange(exchange_, nullptr)->connection_ = nullptr;
    // The peer notices a chunked body without its last chunk, or one that is shorter than it said.
    return linger();
  }
  reply(text_response(500, "the request was dropped without an answer"));
}

void Http1Connection::set_body_paused(bool paused) {
  if (body_paused_ == paused || state_ != State::Body) return;
  body_paused_ = paused;
  if (paused) return stream_->pause_reading();
  process_backlog_later();
  stream_->resume_reading();
}

void Http1Connection::refuse(int status, std::string_view reason) {
  ++server_.refused_;
  keep_alive_ = false;
  const bool started = answer_started_ && exchange_ != nullptr;
  if (HttpExchange* exchange = std::exchange(exchange_, nullptr); exchange != nullptr) {
    exchange->connection_ = nullptr;
    if (auto fn = std::exchange(exchange->on_closed_, nullptr); fn) fn();
  }
  if (started) return remove();
  answer_started_ = false;
  request_arrived_ = false;
  reply(text_response(status, reason));
}

}  // namespace mesh::net
