// The client's end of one connection: a stream of HTTP/2 per call.
#include <charconv>
#include <set>

#include "net/loop.h"
#include "net/rpc_half.h"
#include "net/rpc_http2.h"
#include "net/rpc_metrics.h"
#include "net/timer.h"

namespace mesh::net {

namespace {
class ClientEnd;

Error too_large(std::size_t bytes) {
  return error(Code::Invalid, "a message of {} bytes is over the limit of {}", bytes, kRpcMessageBytesMax);
}

Http2Options client_options(const RpcHttp2ChannelOptions& options, const RpcMetrics& metrics) {
  Http2Options http2;
  http2.stream_window_bytes = kRpcStreamWindowBytes;
  http2.stream_high_mark_bytes = kRpcStreamHighMarkBytes;
  http2.stream_low_mark_bytes = kRpcStreamLowMarkBytes;
  http2.keepalive_interval = options.keepalive_interval;
  http2.keepalive_time_max = options.keepalive_time_max;
  http2.received_bytes = metrics.received_bytes;
  http2.sent_bytes = metrics.sent_bytes;
  return http2;
}

}  // namespace

// Shared by the channel and its calls and streams, which may outlive the channel.
struct RpcHttp2Channel::Core final : Http2SessionObserver, std::enable_shared_from_this<Core> {
  Core(Loop& on_loop, const RpcHttp2ChannelOptions& with, UniqueFunction<void(const Status&)> closed)
      : loop(on_loop), options(with), metrics(with.metrics, "client"), on_closed_fn(std::move(closed)) {}

  void on_going_away() override {
    UniqueFunction<void()> fn = std::exchange(on_going_away_fn, nullptr);
    if (fn) fn();
  }
  void on_closed(const Status& why) override {
    const auto keep = shared_from_this();
    close(why.ok() ? error(Code::Unavailable, "the connection has been closed") : why.error());
    UniqueFunction<void(const Status&)> fn = std::exchange(on_closed_fn, nullptr);
    if (fn) fn(why);
  }
  void close(Error why) {
    if (session == nullptr) return;
    reason = std::move(why.message);
    session.reset();
    metrics.connections.add(-1);
  }
  [[nodiscard]] Status admit(const Bytes& request) const {
    if (request.size() > kRpcMessageBytesMax) return too_large(request.size());
    if (session == nullptr) return error(Code::Unavailable, "{}", reason);
    if (!session->accepting()) return error(Code::Unavailable, "the server is going away");
    if (open.size() > kRpcCallsPendingMax)
      return error(Code::Overloaded, "{} calls are pending, the limit is {}", open.size(), kRpcCallsPendingMax);
    return {};
  }

  Loop& loop;
  RpcHttp2ChannelOptions options;
  RpcMetrics metrics;
  UniqueFunction<void(const Status&)> on_closed_fn;
  UniqueFunction<void()> on_going_away_fn;
  std::unique_ptr<Http2Session> session;  // null: closed
  std::string reason;                     // why
  std::set<ClientEnd*> open;
  UnfinishedTotal unfinished = std::make_shared<std::size_t>(0);
};

namespace {

using Core = RpcHttp2Channel::Core;

// A call or stream under way.
class ClientEnd : public RpcHalf {
 public:
  ClientEnd(std::shared_ptr<Core> core, RpcMethod method)
      : RpcHalf(kRpcMessageBytesMax, core->unfinished), core_(std::move(core)), method_(method), started_(core_->loop.now()) {
    core_->open.insert(this);
  }
  ~ClientEnd() override { leave(error(Code::Cancelled, "")); }

  // Sends the request, or fails on the next turn.
  void begin(Bytes request, MonoTime deadline, bool end);
  // Not inside the call that is on the stack.
  void fail_later(Error why) {
    stop_reading();
    stream_.reset();
    core_->loop.defer([this, gone = gone(), why = std::move(why)]() mutable {
      if (!*gone) ended(std::move(why));
    });
  }

  void on_headers(Http2Headers headers, Headers kind) override;
  void on_reset(Http2Error code, const Error& why) override {
    if (outcome_) return ended(std::move(*outcome_));
    ended(Error(why.code == Code::Overloaded ? why.code : code_of_reset(code), why.message));
  }

 protected:
  virtual void ended(Status status) = 0;  // once or more often; may destroy this

  void on_broken(Error why) override {
    if (outcome_ && !outcome_->ok()) why = std::move(*outcome_).error();
    ended(std::move(why));
  }
  [[nodiscard]] Status take_outcome() {
    if (!outcome_) return error(Code::Internal, "the server's answer has no status");
    return std::move(*outcome_);
  }
  // It is over, as the user will hear.
  void leave(const Status& status) {
    if (core_->open.erase(this) != 0) core_->metrics.ended(method_.path, status, core_->loop.now() - started_);
  }

  std::shared_ptr<Core> core_;

 private:
  RpcMethod method_;
  MonoTime started_;
  std::optional<Status> outcome_;
};

void ClientEnd::begin(Bytes request, MonoTime deadline, bool end) {
  if (auto admitted = core_->admit(request); !admitted.ok()) return fail_later(std::move(admitted).error());
  const std::string timeout = deadline == kNever ? "" : format_grpc_timeout(deadline - started_);
  std::vector<Http2Header> head = {{":method", "POST"},
                                   {":scheme", "https"},
                                   {":path", method_.path},
                                   {":authority", core_->options.authority},
                                   {"content-type", "application/grpc"},
                                   {"te", "trailers"}};
  if (deadline != kNever) head.push_back({"grpc-timeout", timeout});
  stream_ = core_->session->request(head, *this, false);
  stream_->send(grpc_prefix(request.size()));
  stream_->send(std::move(request));
  if (end) stream_->end();
}

std::optional<Status> outcome_of(const Http2Headers& headers) {
  const auto text = headers.get("grpc-status");
  if (!text) return std::nullopt;
  auto status = parse_grpc_status(*text);
  if (!status.ok()) return std::move(status).error();
  if (*status == 0) return Status();
  return error(code_of_grpc_status(*status), "{}", decode_grpc_message(headers.get("grpc-message").value_or("")));
}

void ClientEnd::on_headers(Http2Headers headers, Headers kind) {
  if (kind == Headers::Informational || outcome_) return;
  outcome_ = outcome_of(headers);
  if (kind == Headers::Trailers || outcome_) return;
  const std::string_view text = headers.get(":status").value_or("");
  int status = 0;
  std::from_chars(text.data(), text.data() + text.size(), status);
  if (status != 200)
    return ended(error(code_of_http_status(status), "the server answers with HTTP status {}", status));
  if (!is_grpc_content_type(headers.get("content-type").value_or("")))
    return ended(error(Code::Internal, "the server's answer is not gRPC"));
}

class Http2Call final : public RpcCall, public ClientEnd {
 public:
  Http2Call(std::shared_ptr<Core> core, RpcMethod method, MonoTime deadline, RpcChannel::OnReply on_reply)
      : ClientEnd(std::move(core), method), on_reply_(std::move(on_reply)), timer_(core_->loop, [this] { timed_out(); }) {
    timer_.start_at(deadline);
  }

 private:
  void on_message(ByteView) override {
    if (!answer_) {
      answer_ = reader().take_message();
      return;
    }
    stop_reading();
    ended(error(Code::Internal, "the server sends two answers to one call"));
  }
  void on_complete() override { ended(take_outcome()); }
  void timed_out() { ended(error(Code::Timeout, "no answer in time")); }
  void ended(Status status) override {
    if (!on_reply_) return;
    if (status.ok() && !answer_) status = error(Code::Internal, "the server's answer is empty");
    timer_.stop();
    leave(status);
    stop_reading();
    stream_.reset();
    RpcChannel::OnReply fn = std::exchange(on_reply_, nullptr);
    if (status.ok()) fn(std::move(*answer_));
    else fn(std::move(status).error());
  }

  RpcChannel::OnReply on_reply_;  // empty: over
  std::optional<Bytes> answer_;
  Timer timer_;
};

class Http2RpcStream final : public RpcStream, public ClientEnd {
 public:
  Http2RpcStream(std::shared_ptr<Core> core, RpcMethod method, RpcStreamObserver& observer)
      : ClientEnd(std::move(core), method), observer_(&observer) {}

  bool send(SharedBytes message) override;
  void end_sending() override {
    if (stream_ != nullptr && !std::exchange(sending_ended_, true)) stream_->end();
  }
  void pause() override { paused_ = true; }
  void resume() override {
    if (std::exchange(paused_, false)) go_on_later();
  }
  void on_writable() override {
    if (observer_ != nullptr && !end_) observer_->on_writable();
  }

 private:
  [[nodiscard]] bool ready() const override { return observer_ != nullptr && !paused_; }
  void on_message(ByteView message) override { observer_->on_message(message); }
  void on_complete() override { ended(take_outcome()); }
  void ended(Status status) override {
    if (observer_ == nullptr || end_) return;
    end_ = std::move(status);
    stream_.reset();
    tell_end();
  }
  void tell_end() {
    if (!end_ || !ready()) return;
    leave(*end_);
    std::exchange(observer_, nullptr)->on_end(std::move(*end_));
  }
  void go_on_later() {
    core_->loop.defer([this, is_gone = gone()] {
      if (*is_gone) return;
      pump();
      if (!*is_gone) tell_end();
    });
  }

  RpcStreamObserver* observer_;  // null: over
  std::optional<Status> end_;    // not told yet
  bool paused_ = false;
  bool sending_ended_ = false;
};

bool Http2RpcStream::send(SharedBytes message) {
  if (stream_ == nullptr) return true;
  CHECK(!sending_ended_, "a message behind the half-close of an RPC stream");
  const std::size_t queued = stream_->queued_bytes() + message->size();
  if (message->size() > kRpcMessageBytesMax) return fail_later(too_large(message->size())), true;
  if (queued > kRpcStreamQueueBytesMax) {
    fail_later(error(Code::Overloaded, "the other side is {} bytes behind, the limit is {}", queued, kRpcStreamQueueBytesMax));
    return true;
  }
  stream_->send(grpc_prefix(message->size()));
  return stream_->send(std::move(message));
}

}  // namespace

RpcHttp2Channel::RpcHttp2Channel(std::unique_ptr<ByteStream> stream, const RpcHttp2ChannelOptions& options,
                                 UniqueFunction<void(const Status&)> on_closed)
    : core_(std::make_shared<Core>(stream->loop(), options, std::move(on_closed))) {
  core_->metrics.connections.add(1);
  core_->session = std::make_unique<Http2Session>(std::move(stream), Http2Session::Role::Client,
                                                  client_options(options, core_->metrics), *core_);
}

RpcHttp2Channel::~RpcHttp2Channel() {
  core_->on_closed_fn = nullptr;
  core_->on_going_away_fn = nullptr;
  core_->close(error(Code::Unavailable, "the channel has been closed"));
  for (ClientEnd* end : core_->open) end->fail_later(error(Code::Unavailable, "the channel has been closed"));
}

std::unique_ptr<RpcCall> RpcHttp2Channel::call(RpcMethod method, Bytes request, MonoTime deadline, OnReply on_reply) {
  CHECK(deadline != kNever, "a call needs a deadline");
  auto call = std::make_unique<Http2Call>(core_, method, deadline, std::move(on_reply));
  call->begin(std::move(request), deadline, true);
  return call;
}

std::unique_ptr<RpcStream> RpcHttp2Channel::open(RpcMethod method, Bytes request, RpcStreamObserver& observer) {
  auto stream = std::make_unique<Http2RpcStream>(core_, method, observer);
  stream->begin(std::move(request), kNever, false);
  return stream;
}

bool RpcHttp2Channel::accepting() const { return core_->session != nullptr && core_->session->accepting(); }
void RpcHttp2Channel::set_on_going_away(UniqueFunction<void()> fn) { core_->on_going_away_fn = std::move(fn); }
void RpcHttp2Channel::shut_down(MonoTime deadline) {
  if (core_->session != nullptr) core_->session->shut_down(deadline);
}
std::size_t RpcHttp2Channel::open_calls() const { return core_->open.size(); }

}  // namespace mesh::net
