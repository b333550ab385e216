#include "net/http1/client.h"

#include "net/http1/parser.h"
#include "net/http1/writer.h"
#include "net/loop.h"
#include "net/tcp.h"
#include "net/timer.h"

namespace mesh::net {

// Kept connections. Whatever an idle peer does, a byte or an end, makes the connection unfit.
struct Http1Client::Pool {
  struct Idle final : StreamObserver {
    Idle(Pool& in_pool, Loop& loop, Endpoint where, std::unique_ptr<Stream> kept)
        : pool(in_pool), to(std::move(where)), stream(std::move(kept)), timer(loop, [this] { drop(); }) {
      stream->set_observer(this);
      stream->resume_reading();
      timer.start_after(kIdleTimeMax);
    }
    void on_data(ByteView) override { drop(); }
    void on_end() override { drop(); }
    void on_failed(const Error&) override { drop(); }
    void drop() {
      stream.reset();
      timer.stop();
      pool.remove(*this);
    }

    Pool& pool;
    Endpoint to;
    std::unique_ptr<Stream> stream;
    Timer timer;
  };

  explicit Pool(Loop& on_loop) : loop(on_loop) {}

  std::unique_ptr<Stream> take(const Endpoint& to) {
    for (auto idle = kept.begin(); idle != kept.end(); ++idle) {
      if ((*idle)->to != to) continue;
      auto stream = std::move((*idle)->stream);
      stream->pause_reading();
      kept.erase(idle);
      return stream;
    }
    return nullptr;
  }

  void keep(const Endpoint& to, std::unique_ptr<Stream> stream) {
    std::size_t same = 0;
    for (const auto& idle : kept) same += idle->to == to ? 1 : 0;
    if (same >= kIdlePerEndpointMax) return;
    if (kept.size() >= kIdleMax) kept.pop_back();
    kept.push_front(std::make_unique<Idle>(*this, loop, to, std::move(stream)));
  }

  void remove(Idle& gone) {
    for (auto idle = kept.begin(); idle != kept.end(); ++idle) {
      if (idle->get() != &gone) continue;
      loop.destroy_later(std::move(*idle));
      kept.erase(idle);
      return;
    }
  }

  Loop& loop;
  std::list<std::unique_ptr<Idle>> kept;  // the last used first
};

// connect (or a kept connection) -> request sent -> head -> body -> finish.
struct HttpCall::Operation final : StreamObserver, std::enable_shared_from_this<Operation> {
  Operation(Loop& on_loop, Http1Client::Pool& from, HttpRequest what, HttpCallOptions how, OnDone done)
      : loop(on_loop),
        pool(from),
        request(std::move(what)),
        options(std::move(how)),
        on_done(std::move(done)),
        deadline(on_loop, [this] { timed_out(); }) {}

  void start();
  void connect();
  void connected(Result<std::unique_ptr<Stream>> result);
  void send_request();
  void on_data(ByteView data) override;
  void on_end() override;
  void on_failed(const Error& failure) override;
  bool step(ByteView& input);
  bool body_arrived();
  void complete(ByteView rest);
  void broken(const Error& failure);
  [[nodiscard]] bool may_repeat() const;
  void timed_out();
  void finish(Result<HttpResponse> result);
  void fail_later(Error failure);

  Loop& loop;
  Http1Client::Pool& pool;
  HttpRequest request;
  HttpCallOptions options;
  OnDone on_done;  // empty: finished
  Timer deadline;
  std::unique_ptr<StreamConnect> attempt;
  std::unique_ptr<Stream> stream;
  std::unique_ptr<Http1ResponseParser> parser;
  HttpResponse response;
  bool head_seen = false;
  bool reused = false;     // on a kept connection
  bool answered = false;   // some byte of the answer has arrived
};

void HttpCall::Operation::start() {
  deadline.start_at(options.deadline);
  if (options.host.empty())
    options.host = options.to.is_unix() ? "localhost" : options.to.to_string();
  if (!valid_request_target(request.target) || !valid_header_name(request.method_text) ||
      !valid_header_value(options.host))
    return fail_later(error(Code::Invalid, "the request target, method or host holds a space or a control byte"));
  if (options.keep_alive) stream = pool.take(options.to);
  if (stream == nullptr) return connect();
  reused = true;
  send_request();
}

void HttpCall::Operation::connect() {
  reused = false;
  attempt = std::make_unique<StreamConnect>(
      loop, options.to, ConnectOptions{.deadline = options.deadline},
      [this](Result<std::unique_ptr<Stream>> result) { connected(std::move(result)); });
}

void HttpCall::Operation::connected(Result<std::unique_ptr<Stream>> result) {
  if (!result.ok()) return finish(std::move(result).error());
  stream = std::move(*result);
  send_request();
}

void HttpCall::Operation::send_request() {
  parser = std::make_unique<Http1ResponseParser>(
      Http1HeadLimits{.headers_bytes_max = options.headers_bytes_max});
  parser->expect_no_body(request.method == HttpMethod::Head);
  stream->set_observer(this);
  Http1Framing framing;
  using enum HttpMethod;
  if (!request.body.empty() || request.method == Post || request.method == Put || request.method == Patch)
    framing.content_length = request.body.size();
  if (!options.keep_alive) framing.connection = Http1Framing::Connection::Close;
  const std::string head = write_request_head(request, options.host, framing);
  const ByteView pieces[] = {head, request.body};
  stream->write(pieces);
  stream->resume_reading();
}

void HttpCall::Operation::on_data(ByteView data) {
  answered = true;
  const auto keep = shared_from_this();
  while (on_done && step(data)) {
  }
}

// False: the input is used up or the call is finished.
bool HttpCall::Operation::step(ByteView& input) {
  const auto advance = parser->advance(input);
  input.remove_prefix(advance.consumed);
  switch (advance.step) {
    case Http1Parser::Step::NeedMore: return false;
    case Http1Parser::Step::Head:
      response = parser->take_head();
      head_seen = response.status >= 200 || response.status == 101;
      return true;
    case Http1Parser::Step::Body: return body_arrived();
    case Http1Parser::Step::End:
      if (head_seen) return complete(input), false;
      parser->start_next();  // an interim answer (RFC 9110 section 15.2)
      return true;
    case Http1Parser::Step::Failed: break;
  }
  finish(error(Code::Corrupt, "{} does not answer in HTTP: {}", options.to.to_string(), parser->failure().reason));
  return false;
}

bool HttpCall::Operation::body_arrived() {
  for (const ByteView piece : parser->pieces()) {
    if (options.on_body) {
      options.on_body(piece);
      if (!on_done) return false;  // cancelled in there
      continue;
    }
    if (response.body.size() + piece.size() > options.body_bytes_max) {
      finish(error(Code::Overloaded, "the answer of {} is larger than {} bytes", options.to.to_string(),
                   options.body_bytes_max));
      return false;
    }
    response.body.append(piece);
  }
  return true;
}

void HttpCall::Operation::complete(ByteView rest) {
  // Bytes after the answer belong to no request: such a connection is not trusted again.
  if (options.keep_alive && parser->keep_alive() && rest.empty() && stream->queued_bytes() == 0 && !stream->failed())
    pool.keep(options.to, std::move(stream));
  finish(std::move(response));
}

void HttpCall::Operation::on_end() {
  const auto keep = shared_from_this();
  if (head_seen && parser->until_close()) {
    parser->finish();
    return complete({});
  }
  broken(error(Code::Unavailable, "{} closed the connection before its answer was complete", options.to.to_string()));
}

void HttpCall::Operation::on_failed(const Error& failure) {
  const auto keep = shared_from_this();
  broken(Error(failure).context("while talking to {}", options.to.to_string()));
}

// RFC 9110 section 9.2.2: what is idempotent may be sent again.
bool HttpCall::Operation::may_repeat() const {
  using enum HttpMethod;
  const bool idempotent = request.method == Get || request.method == Head || request.method == Put ||
                          request.method == Delete || request.method == Options;
  return reused && !answered && idempotent;
}

void HttpCall::Operation::broken(const Error& failure) {
  if (!may_repeat()) return finish(failure);
  stream.reset();
  connect();
}

void HttpCall::Operation::timed_out() {
  const auto keep = shared_from_this();
  finish(error(Code::Timeout, "{} {} gave no answer in time", options.to.to_string(), request.target));
}

void HttpCall::Operation::finish(Result<HttpResponse> result) {
  if (!on_done) return;
  const auto keep = shared_from_this();  // the callback may destroy the HttpCall
  deadline.stop();
  attempt.reset();
  stream.reset();
  OnDone fn = std::exchange(on_done, nullptr);
  fn(std::move(result));
}

void HttpCall::Operation::fail_later(Error failure) {
  loop.defer([weak = weak_from_this(), failure = std::move(failure)]() mutable {
    if (auto alive = weak.lock()) alive->finish(std::move(failure));
  });
}

HttpCall::HttpCall(std::shared_ptr<Operation> operation) : operation_(std::move(operation)) {}

HttpCall::~HttpCall() {
  operation_->on_done = nullptr;
  operation_->deadline.stop();
  operation_->attempt.reset();
  operation_->stream.reset();
}

Http1Client::Http1Client(Loop& loop) : loop_(loop), pool_(std::make_unique<Pool>(loop)) {}

Http1Client::~Http1Client() = default;

std::unique_ptr<HttpCall> Http1Client::send(HttpRequest request, HttpCallOptions options, HttpCall::OnDone on_done) {
  CHECK(options.deadline != kNever, "an HTTP call needs a deadline");
  auto operation = std::make_shared<HttpCall::Operation>(loop_, *pool_, std::move(request), std::move(options),
                                                         std::move(on_done));
  operation->start();
  return std::unique_ptr<HttpCall>(new HttpCall(std::move(operation)));
}

std::size_t Http1Client::idle_connections() const { return pool_->kept.size(); }

}  // namespace mesh::net
