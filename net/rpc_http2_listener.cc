// The server's end of many connections: what arrives is dispatched to RpcServer's handlers.
#include <map>
#include <set>

#include "net/loop.h"
#include "net/rpc_half.h"
#include "net/rpc_http2.h"
#include "net/rpc_metrics.h"
#include "net/timer.h"

namespace mesh::net {

namespace {

constexpr Duration kCallTimeDefault = seconds(60);      // of a call whose client sets no deadline
constexpr std::size_t kJoiningMessageBytesMax = 64 * 1024;
constexpr std::uint32_t kJoiningStreamsMax = 4;
constexpr std::uint32_t kStreamsMax = 20'000;           // a channel's calls and streams, with room

class ServerEnd;

}  // namespace

struct RpcHttp2Listener::Core {
  class Connection;

  Core(Loop& on_loop, RpcServer& handlers, const RpcHttp2ListenerOptions& with)
      : loop(on_loop), server(handlers), options(with), metrics(with.metrics, "server") {}

  void adopt(std::unique_ptr<ByteStream> stream, RpcPeer peer);
  void removed(Connection& connection);
  void maybe_stopped();

  Loop& loop;
  RpcServer& server;
  RpcHttp2ListenerOptions options;
  RpcMetrics metrics;
  std::map<Connection*, std::unique_ptr<Connection>> connections;
  std::size_t joining = 0;                              // of them
  std::map<IpAddress, std::size_t> joining_by_address;  // likewise
  bool stopping = false;
  MonoTime stop_deadline = kNever;
  UniqueFunction<void()> on_stopped;
};

class RpcHttp2Listener::Core::Connection final : public Http2SessionObserver {
 public:
  Connection(Core& core, std::unique_ptr<ByteStream> stream, const IpAddress& from, RpcPeer peer);
  ~Connection() override;

  void on_request(std::unique_ptr<Http2Stream> stream, Http2Headers head, bool ended) override;
  void on_closed(const Status&) override { core_.removed(*this); }
  void shut_down(MonoTime deadline) { session_->shut_down(deadline); }
  void left(ServerEnd& end);

  [[nodiscard]] Core& core() { return core_; }
  [[nodiscard]] const IpAddress& from() const { return from_; }
  [[nodiscard]] const RpcPeer& peer() const { return peer_; }
  [[nodiscard]] bool joining() const { return peer_.kind == RpcPeer::Kind::Joining; }
  [[nodiscard]] const UnfinishedTotal& unfinished() const { return unfinished_; }

 private:
  Core& core_;
  const IpAddress from_;  // the empty one: a unix socket
  RpcPeer peer_;
  UnfinishedTotal unfinished_ = std::make_shared<std::size_t>(0);
  std::map<ServerEnd*, std::shared_ptr<ServerEnd>> ends_;
  std::unique_ptr<Http2Session> session_;
  std::optional<Timer> life_;  // of a joining one
};

namespace {

using Connection = RpcHttp2Listener::Core::Connection;

const Http2Header kStatusOk{":status", "200"};
const Http2Header kContentType{"content-type", "application/grpc"};

// What a status is as trailers; keeps the texts alive.
class Trailers {
 public:
  explicit Trailers(const Status& status) : code_(std::to_string(status.ok() ? 0 : grpc_status_of(status.error().code))) {
    if (!status.ok()) text_ = encode_grpc_message(status.error().message, kRpcErrorTextBytesMax);
  }
  [[nodiscard]] std::vector<Http2Header> headers(bool alone) const {
    std::vector<Http2Header> all;
    if (alone) all = {kStatusOk, kContentType};
    all.push_back({"grpc-status", code_});
    if (!text_.empty()) all.push_back({"grpc-message", text_});
    return all;
  }

 private:
  std::string code_;
  std::string text_;
};

// A call or stream under way. Owned by its connection until it is over, and by the handler's sink.
class ServerEnd : public RpcHalf, public std::enable_shared_from_this<ServerEnd> {
 public:
  ServerEnd(Connection& connection, std::unique_ptr<Http2Stream> stream, std::string path)
      : RpcHalf(connection.joining() ? kJoiningMessageBytesMax : kRpcMessageBytesMax, connection.unfinished()),
        connection_(&connection),
        path_(std::move(path)),
        started_(connection.core().loop.now()) {
    stream_ = std::move(stream);
    stream_->set_observer(this);
  }

  void on_headers(Http2Headers, Headers) override {}  // a client has no trailers
  void on_reset(Http2Error, const Error& why) override { gone_away(Error(Code::Cancelled, why.message)); }
  // The caller is gone, by itself or with its connection; the handler hears of it. May destroy this.
  virtual void gone_away(Error why) = 0;

 protected:
  void on_broken(Error why) override { answer_status(std::move(why)); }

  void send_head() {
    if (std::exchange(head_sent_, true)) return;
    const std::array head = {kStatusOk, kContentType};
    stream_->respond(head, false);
  }
  void send_message(SharedBytes message) {
    send_head();
    stream_->send(grpc_prefix(message->size()));
    writable_ = stream_->send(std::move(message));
  }
  // The end of our half, and of this.
  void answer_status(const Status& status) {
    if (over()) return;
    const Trailers trailers(status);
    if (head_sent_) stream_->end(trailers.headers(false));
    else stream_->respond(trailers.headers(true), true);
    leave(status);
  }
  // May destroy this unless the caller holds it.
  void leave(const Status& status) {
    if (connection_ == nullptr) return;
    stop_reading();
    stream_.reset();
    Connection* connection = std::exchange(connection_, nullptr);
    auto& core = connection->core();
    core.metrics.ended(path_, status, core.loop.now() - started_);
    connection->left(*this);
  }
  [[nodiscard]] bool over() const { return connection_ == nullptr; }

  Connection* connection_;  // null: over
  std::string path_;
  bool writable_ = true;

 private:
  MonoTime started_;
  bool head_sent_ = false;
};

class ServerCall final : public ServerEnd {
 public:
  ServerCall(Connection& connection, std::unique_ptr<Http2Stream> stream, std::string path, Duration within)
      : ServerEnd(connection, std::move(stream), std::move(path)),
        deadline_(connection.core().loop.now() + within),
        timer_(std::in_place, connection.core().loop, [this] { timed_out(); }) {
    timer_->start_at(deadline_);
  }

  void finish(Result<Bytes> result) {
    if (over()) return;
    const auto keep = shared_from_this();
    timer_.reset();
    on_cancelled_ = nullptr;
    if (!result.ok()) return answer_status(std::move(result).error());
    send_message(share(std::move(result).value()));
    answer_status({});
  }
  void set_on_cancelled(UniqueFunction<void()> fn) {
    if (!over()) on_cancelled_ = std::move(fn);
  }
  void gone_away(Error why) override {
    const auto keep = shared_from_this();
    timer_.reset();
    leave(why);
    UniqueFunction<void()> fn = std::exchange(on_cancelled_, nullptr);
    if (fn) fn();
  }

 private:
  class Sink final : public RpcReplySink {
   public:
    explicit Sink(std::shared_ptr<ServerCall> call) : call_(std::move(call)) {}
    void finish(Result<Bytes> result) override { call_->finish(std::move(result)); }
    void set_on_cancelled(UniqueFunction<void()> fn) override { call_->set_on_cancelled(std::move(fn)); }

   private:
    std::shared_ptr<ServerCall> call_;
  };

  void on_message(ByteView) override {
    if (!request_) request_ = reader().take_message();
    else finish(error(Code::Invalid, "a call has one request"));
  }
  void on_complete() override {
    if (!request_) return finish(error(Code::Invalid, "a call needs a request"));
    auto self = std::static_pointer_cast<ServerCall>(shared_from_this());
    RpcRequest request{connection_->peer(), std::move(*request_), deadline_};
    connection_->core().server.dispatch(path_, std::move(request), std::make_unique<Sink>(std::move(self)));
  }
  void timed_out() {
    const auto keep = shared_from_this();
    timer_.reset();
    answer_status(error(Code::Timeout, "no answer in time"));
    UniqueFunction<void()> fn = std::exchange(on_cancelled_, nullptr);
    if (fn) fn();
  }

  MonoTime deadline_;
  std::optional<Bytes> request_;
  UniqueFunction<void()> on_cancelled_;
  std::optional<Timer> timer_;  // until it is over: a reply may outlive the loop's objects
};

class ServerStream final : public ServerEnd {
 public:
  using ServerEnd::ServerEnd;

  bool send(SharedBytes message);
  void end(const Status& status) {
    const auto keep = shared_from_this();
    if (!over() && status.ok()) send_head();
    answer_status(status);
  }
  void set_observer(RpcServerStreamObserver* observer) {
    observer_ = observer;
    go_on_later();
  }
  void pause() { paused_ = true; }
  void resume() {
    if (std::exchange(paused_, false)) go_on_later();
  }
  void gone_away(Error why) override {
    const auto keep = shared_from_this();
    leave(why);
    if (observer_ != nullptr) observer_->on_closed();
  }
  void on_writable() override {
    const auto keep = shared_from_this();
    if (observer_ != nullptr) observer_->on_writable();
  }

 private:
  class Sink final : public RpcStreamSink {
   public:
    explicit Sink(std::shared_ptr<ServerStream> stream) : stream_(std::move(stream)) {}
    ~Sink() override { stream_->observer_ = nullptr; }
    bool send(SharedBytes message) override { return stream_->send(std::move(message)); }
    void end(Status status) override { stream_->end(status); }
    void set_observer(RpcServerStreamObserver* observer) override { stream_->set_observer(observer); }
    void pause() override { stream_->pause(); }
    void resume() override { stream_->resume(); }

   private:
    std::shared_ptr<ServerStream> stream_;
  };

  [[nodiscard]] bool ready() const override { return !requested_ || (observer_ != nullptr && !paused_); }
  void on_message(ByteView message) override {
    const auto keep = shared_from_this();
    if (requested_) return observer_->on_message(message);
    requested_ = true;
    RpcRequest request{connection_->peer(), reader().take_message(), kNever};
    auto sink = std::make_unique<Sink>(std::static_pointer_cast<ServerStream>(keep));
    connection_->core().server.dispatch_stream(path_, std::move(request), std::move(sink));
  }
  void on_complete() override {
    const auto keep = shared_from_this();
    if (!requested_) return answer_status(error(Code::Invalid, "a stream needs a request"));
    observer_->on_end();
  }
  void on_broken(Error why) override {
    const auto keep = shared_from_this();
    answer_status(std::move(why));
    if (observer_ != nullptr) observer_->on_closed();
  }
  // Not inside the handler's own call.
  void go_on_later() {
    if (over()) return;
    connection_->core().loop.defer([weak = weak_from_this()] {
      if (const auto alive = weak.lock(); alive != nullptr) static_cast<ServerStream&>(*alive).pump();
    });
  }
  bool give_up(Error why);

  RpcServerStreamObserver* observer_ = nullptr;
  bool requested_ = false;
  bool paused_ = false;
};

bool ServerStream::send(SharedBytes message) {
  if (over()) return true;
  if (message->size() > kRpcMessageBytesMax)
    return give_up(error(Code::Invalid, "a message of {} bytes is over the limit of {}", message->size(), kRpcMessageBytesMax));
  const std::size_t queued = stream_->queued_bytes() + message->size();
  if (queued > kRpcStreamQueueBytesMax)
    return give_up(error(Code::Overloaded, "the client is {} bytes behind, the limit is {}", queued, kRpcStreamQueueBytesMax));
  send_message(std::move(message));
  return writable_;
}

// Ends the stream now, ahead of what is queued; the handler hears of it after the call in progress.
bool ServerStream::give_up(Error why) {
  const auto keep = shared_from_this();
  connection_->core().loop.defer([weak = weak_from_this()] {
    const auto alive = std::static_pointer_cast<ServerStream>(weak.lock());
    if (alive != nullptr && alive->observer_ != nullptr) alive->observer_->on_closed();
  });
  stream_->reset(why.code == Code::Overloaded ? Http2Error::EnhanceYourCalm : Http2Error::Internal);
  leave(why);
  return true;
}

Http2Options server_options(const RpcHttp2ListenerOptions& options, const RpcMetrics& metrics, bool joining) {
  Http2Options http2;
  http2.streams_max = joining ? kJoiningStreamsMax : kStreamsMax;
  http2.stream_window_bytes = joining ? kJoiningMessageBytesMax : kRpcStreamWindowBytes;
  if (joining) http2.connection_window_bytes = kJoiningMessageBytesMax * kJoiningStreamsMax;
  http2.stream_high_mark_bytes = kRpcStreamHighMarkBytes;
  http2.stream_low_mark_bytes = kRpcStreamLowMarkBytes;
  http2.resets_burst = joining ? kJoiningStreamsMax : 2 * kStreamsMax;  // a channel may cancel all it has at once
  http2.resets_per_second = joining ? 1 : 1000;
  http2.keepalive_interval = options.keepalive_interval;
  http2.keepalive_time_max = options.keepalive_time_max;
  http2.received_bytes = metrics.received_bytes;
  http2.sent_bytes = metrics.sent_bytes;
  return http2;
}

}  // namespace

// ---- a connection ----

RpcHttp2Listener::Core::Connection::Connection(Core& core, std::unique_ptr<ByteStream> stream, const IpAddress& from, RpcPeer peer)
    : core_(core), from_(from), peer_(std::move(peer)) {
  if (joining()) {
    life_.emplace(core.loop, [this] { session_->close(error(Code::Timeout, "the time for joining is over")); });
    life_->start_after(core.options.joining_time_max);
  }
  session_ = std::make_unique<Http2Session>(std::move(stream), Http2Session::Role::Server,
                                            server_options(core.options, core.metrics, joining()), *this);
}

RpcHttp2Listener::Core::Connection::~Connection() {
  session_.reset();
  while (!ends_.empty()) {
    const auto end = ends_.begin()->second;
    end->gone_away(error(Code::Cancelled, "the connection is closed"));
  }
}

void RpcHttp2Listener::Core::Connection::left(ServerEnd& end) { ends_.erase(&end); }

void RpcHttp2Listener::Core::Connection::on_request(std::unique_ptr<Http2Stream> stream, Http2Headers head, bool) {
  const auto refuse = [&](std::string_view http_status) {
    const std::array answer = {Http2Header{":status", http_status}};
    stream->respond(answer, true);
  };
  const auto answer = [&](const Error& why) {
    const Trailers trailers(why);
    stream->respond(trailers.headers(true), true);
    core_.metrics.ended("unknown", why, Duration::zero());
  };
  if (head.get(":method") != "POST") return refuse("405");
  if (!is_grpc_content_type(head.get("content-type").value_or(""))) return refuse("415");
  std::string path(head.get(":path").value_or(""));
  Duration within = kCallTimeDefault;
  if (const auto text = head.get("grpc-timeout"); text) {
    auto timeout = parse_grpc_timeout(*text);
    if (!timeout.ok()) return answer(timeout.error());
    within = std::min(*timeout, Duration(hours(24)));
  }
  std::shared_ptr<ServerEnd> end;
  switch (core_.server.shape(path)) {
    case RpcServer::Shape::None: return answer(error(Code::Unsupported, "this server has no method {}", path.substr(0, 128)));
    case RpcServer::Shape::Unary:
      end = std::make_shared<ServerCall>(*this, std::move(stream), std::move(path), within);
      break;
    case RpcServer::Shape::Stream: end = std::make_shared<ServerStream>(*this, std::move(stream), std::move(path)); break;
  }
  ends_.emplace(end.get(), end);
}

// ---- the listener ----

void RpcHttp2Listener::Core::adopt(std::unique_ptr<ByteStream> stream, RpcPeer peer) {
  const bool joins = peer.kind == RpcPeer::Kind::Joining;
  const IpAddress from = stream->remote().is_unix() ? IpAddress() : stream->remote().address().ip;
  if (stopping) return metrics.refused("stopping");
  if (connections.size() >= options.connections_max) return metrics.refused("connections_max");
  if (joins && joining >= options.joining_max) return metrics.refused("joining_max");
  if (joins) {
    std::size_t& count = joining_by_address[from];
    if (count >= options.joining_per_address_max) return metrics.refused("joining_per_address_max");
    ++count;
    ++joining;
  }
  auto connection = std::make_unique<Connection>(*this, std::move(stream), from, std::move(peer));
  metrics.connections.add(1);
  connections.emplace(connection.get(), std::move(connection));
}

void RpcHttp2Listener::Core::removed(Connection& connection) {
  if (connection.joining()) {
    --joining;
    if (const auto count = joining_by_address.find(connection.from()); --count->second == 0) joining_by_address.erase(count);
  }
  metrics.connections.add(-1);
  auto node = connections.extract(&connection);
  maybe_stopped();  // may destroy this, not the connection on the stack
}

void RpcHttp2Listener::Core::maybe_stopped() {
  if (!stopping || !connections.empty()) return;
  UniqueFunction<void()> fn = std::exchange(on_stopped, nullptr);
  if (fn) loop.defer(std::move(fn));
}

RpcHttp2Listener::RpcHttp2Listener(Loop& loop, RpcServer& server, const RpcHttp2ListenerOptions& options)
    : core_(std::make_shared<Core>(loop, server, options)) {}

RpcHttp2Listener::~RpcHttp2Listener() {
  core_->stopping = true;
  core_->on_stopped = nullptr;
  while (!core_->connections.empty()) core_->removed(*core_->connections.begin()->first);
}

void RpcHttp2Listener::adopt(std::unique_ptr<ByteStream> stream, RpcPeer peer) {
  core_->adopt(std::move(stream), std::move(peer));
}

void RpcHttp2Listener::stop(MonoTime deadline, UniqueFunction<void()> on_stopped) {
  core_->stopping = true;
  core_->on_stopped = std::move(on_stopped);
  for (const auto& [key, connection] : core_->connections) connection->shut_down(deadline);
  core_->maybe_stopped();
}

std::size_t RpcHttp2Listener::connections() const { return core_->connections.size(); }

}  // namespace mesh::net
