#include "net/rpc_local.h"

#include <atomic>
#include <deque>
#include <memory>
#include <optional>
#include <unordered_map>

#include "net/loop.h"
#include "net/timer.h"

namespace mesh::net {

namespace {

constexpr std::size_t kMessageCostBytes = 64;          // so that empty messages fill the window too
constexpr std::size_t kCreditBytes = 64 * 1024;        // consumption is reported in steps of this; less than a low mark
static_assert(kCreditBytes < kRpcStreamLowMarkBytes);

std::size_t cost_of(ByteView message) { return message.size() + kMessageCostBytes; }

Error server_gone() { return error(Code::Unavailable, "the server is not running"); }

Error too_large(std::size_t bytes) {
  return error(Code::Invalid, "a message of {} bytes is over the limit of {}", bytes, kRpcMessageBytesMax);
}

// One direction of a stream, the sender's side: what was sent and is not yet consumed.
class Window {
 public:
  // Error: the message must not be sent; the stream ends with it. Else whether there is room for more.
  Result<bool> take(ByteView message) {
    if (message.size() > kRpcMessageBytesMax) return too_large(message.size());
    outstanding_ += cost_of(message);
    if (outstanding_ > kRpcStreamQueueBytesMax)
      return error(Code::Overloaded, "the other side is {} bytes behind, the limit is {}", outstanding_,
                   kRpcStreamQueueBytesMax);
    wants_writable_ = wants_writable_ || outstanding_ > kRpcStreamHighMarkBytes;
    return outstanding_ <= kRpcStreamHighMarkBytes;
  }
  // True: the sender is to be told that it may go on.
  [[nodiscard]] bool credited(std::size_t bytes) {
    outstanding_ -= std::min(bytes, outstanding_);
    return outstanding_ <= kRpcStreamLowMarkBytes && std::exchange(wants_writable_, false);
  }

 private:
  std::size_t outstanding_ = 0;
  bool wants_writable_ = false;
};

// The receiver's side.
struct Inbox {
  std::deque<SharedBytes> waiting;
  std::size_t credit = 0;  // consumed and not yet reported
  bool paused = false;
  bool delivering = false;

  // How much is to be reported now.
  [[nodiscard]] std::size_t consumed(ByteView message) {
    credit += cost_of(message);
    return credit < kCreditBytes ? 0 : std::exchange(credit, 0);
  }
};

class ReplySink;
class StreamSink;

}  // namespace

// Shared by the listener, the channels and what is on its way. The server's loop owns everything but the constants.
struct LocalRpcListener::Core {
  Core(LoopRef loop, RpcServer* handlers) : server_loop(std::move(loop)), server(handlers) {}

  const LoopRef server_loop;
  std::atomic<std::uint64_t> next_id{1};
  RpcServer* server;  // null once the listener is gone
  std::unordered_map<std::uint64_t, ReplySink*> calls;
  std::unordered_map<std::uint64_t, StreamSink*> streams;
};

namespace {

using Core = LocalRpcListener::Core;

// ---- client's ends ----

struct ClientCall : std::enable_shared_from_this<ClientCall> {
  ClientCall(Loop& loop, std::shared_ptr<std::size_t> count, RpcChannel::OnReply fn)
      : pending(std::move(count)), on_reply(std::move(fn)), timer(loop, [this] { timed_out(); }) {
    ++*pending;
  }
  ~ClientCall() { --*pending; }

  void complete(Result<Bytes> result) {
    if (!on_reply) return;
    timer.stop();
    const auto keep = shared_from_this();  // the callback may destroy the RpcCall
    RpcChannel::OnReply fn = std::exchange(on_reply, nullptr);
    fn(std::move(result));
  }
  void cancel();
  void timed_out() {
    const auto keep = shared_from_this();
    tell_server();
    complete(error(Code::Timeout, "no answer in time"));
  }
  void tell_server();

  std::shared_ptr<Core> core;
  std::uint64_t id = 0;
  std::shared_ptr<std::size_t> pending;
  RpcChannel::OnReply on_reply;  // empty: complete or cancelled
  Timer timer;
};

struct ClientStream : std::enable_shared_from_this<ClientStream> {
  ClientStream(Loop& on_loop, std::shared_ptr<std::size_t> count, RpcStreamObserver& to)
      : loop(on_loop), pending(std::move(count)), observer(&to) {
    ++*pending;
  }
  ~ClientStream() { --*pending; }

  void arrived(SharedBytes message) {
    if (observer == nullptr) return;
    inbox.waiting.push_back(std::move(message));
    deliver();
  }
  void ended(Status status) {
    if (observer == nullptr || end) return;
    end = std::move(status);
    deliver();
  }
  void credited(std::size_t bytes) {
    if (window.credited(bytes) && observer != nullptr && !end) observer->on_writable();  // may cancel
  }
  bool send(SharedBytes message);
  void end_sending();
  void deliver();
  void deliver_later();
  void cancel();
  template <class Fn>
  void at_server(Fn fn);

  Loop& loop;
  std::shared_ptr<Core> core;
  std::uint64_t id = 0;
  std::shared_ptr<std::size_t> pending;
  RpcStreamObserver* observer;  // null: ended or cancelled
  Inbox inbox;
  Window window;
  std::optional<Status> end;
  bool sending_ended = false;
};

// ---- server's ends ----

// Made by the client, then moved to the server's loop. Destroyed unanswered on its way or by the server, it answers
// Unavailable.
class ReplySink final : public RpcReplySink {
 public:
  ReplySink(LoopRef client, std::weak_ptr<ClientCall> call, std::uint64_t id)
      : client_(std::move(client)), call_(std::move(call)), id_(id) {}
  ~ReplySink() override { finish(server_gone()); }

  void entered(Core& core) {
    core_ = &core;
    core.calls.emplace(id_, this);
  }
  void finish(Result<Bytes> result) override {
    if (std::exchange(finished_, true)) return;
    leave();
    (void)client_.post([call = std::move(call_), result = std::move(result)]() mutable {
      if (auto alive = call.lock()) alive->complete(std::move(result));
    });
  }
  void set_on_cancelled(UniqueFunction<void()> fn) override { on_cancelled_ = std::move(fn); }
  void cancelled() {
    finished_ = true;
    leave();
    UniqueFunction<void()> fn = std::exchange(on_cancelled_, nullptr);
    if (fn) fn();  // may destroy this
  }
  // The listener ends.
  void broken() {
    finish(server_gone());
    UniqueFunction<void()> fn = std::exchange(on_cancelled_, nullptr);
    if (fn) fn();
  }

 private:
  void leave() {
    if (core_ != nullptr) core_->calls.erase(id_);
    core_ = nullptr;
  }

  LoopRef client_;
  std::weak_ptr<ClientCall> call_;  // locked on the client's loop only
  std::uint64_t id_;
  Core* core_ = nullptr;  // while registered there
  UniqueFunction<void()> on_cancelled_;
  bool finished_ = false;
};

class StreamSink final : public RpcStreamSink {
 public:
  StreamSink(LoopRef client, std::weak_ptr<ClientStream> stream, std::uint64_t id)
      : client_(std::move(client)), stream_(std::move(stream)), id_(id) {}
  ~StreamSink() override {
    *self_ = nullptr;
    end(server_gone());
  }

  void entered(Core& core) {
    core_ = &core;
    core.streams.emplace(id_, this);
  }
  bool send(SharedBytes message) override {
    if (over_) return true;
    auto room = window_.take(*message);
    if (!room.ok()) return give_up(std::move(room).error());
    const bool sent = at_client([message = std::move(message)](ClientStream& stream) mutable {
      stream.arrived(std::move(message));
    });
    if (!sent) return give_up(error(Code::Unavailable, "the client is gone"));
    return *room;
  }
  void end(Status status) override {
    if (std::exchange(over_, true)) return;
    leave();
    inbox_.waiting.clear();
    (void)at_client([status = std::move(status)](ClientStream& stream) mutable { stream.ended(std::move(status)); });
  }
  void set_observer(RpcServerStreamObserver* observer) override {
    observer_ = observer;
    deliver_later();
  }
  void pause() override { inbox_.paused = true; }
  void resume() override {
    if (std::exchange(inbox_.paused, false)) deliver_later();
  }

  // From the client.
  void arrived(SharedBytes message) {
    inbox_.waiting.push_back(std::move(message));
    deliver();
  }
  void client_ended() {
    client_ended_ = true;
    deliver();
  }
  void credited(std::size_t bytes) {
    if (window_.credited(bytes) && observer_ != nullptr) observer_->on_writable();  // may destroy this
  }
  void closed(Status why) {
    end(std::move(why));
    if (observer_ != nullptr) observer_->on_closed();  // may destroy this
  }

 private:
  void deliver();
  // Not inside the handler's own call.
  void deliver_later() {
    if (core_ == nullptr || (inbox_.waiting.empty() && !client_ended_)) return;
    (void)core_->server_loop.post([self = self_] {
      if (*self != nullptr) (*self)->deliver();
    });
  }
  // Ends the stream now; the handler hears of it after the call in progress.
  bool give_up(Error why) {
    const LoopRef server = core_ == nullptr ? LoopRef() : core_->server_loop;
    end(std::move(why));
    (void)server.post([self = self_] {
      if (*self != nullptr && (*self)->observer_ != nullptr) (*self)->observer_->on_closed();
    });
    return true;
  }
  void leave() {
    if (core_ != nullptr) core_->streams.erase(id_);
    core_ = nullptr;
  }
  template <class Fn>
  bool at_client(Fn fn) {
    return client_.post([stream = stream_, fn = std::move(fn)]() mutable {
      if (auto alive = stream.lock()) fn(*alive);
    });
  }

  LoopRef client_;
  std::weak_ptr<ClientStream> stream_;  // locked on the client's loop only
  std::uint64_t id_;
  Core* core_ = nullptr;
  RpcServerStreamObserver* observer_ = nullptr;
  std::shared_ptr<StreamSink*> self_ = std::make_shared<StreamSink*>(this);
  Window window_;
  Inbox inbox_;
  bool client_ended_ = false;  // and not yet told
  bool over_ = false;
};

void StreamSink::deliver() {
  if (inbox_.delivering) return;
  const auto self = self_;  // an observer may destroy this
  inbox_.delivering = true;
  while (!over_ && observer_ != nullptr && !inbox_.paused && !inbox_.waiting.empty()) {
    const SharedBytes message = std::move(inbox_.waiting.front());
    inbox_.waiting.pop_front();
    observer_->on_message(*message);
    if (*self == nullptr) return;
    if (const std::size_t bytes = inbox_.consumed(*message); bytes != 0)
      (void)at_client([bytes](ClientStream& stream) { stream.credited(bytes); });
  }
  inbox_.delivering = false;
  if (over_ || observer_ == nullptr || inbox_.paused || !std::exchange(client_ended_, false)) return;
  observer_->on_end();  // may destroy this
}

// ---- client to server ----

void ClientCall::tell_server() {
  (void)core->server_loop.post([core = core, id = id] {
    if (const auto found = core->calls.find(id); found != core->calls.end()) found->second->cancelled();
  });
}

void ClientCall::cancel() {
  if (!on_reply) return;
  on_reply = nullptr;
  timer.stop();
  tell_server();
}

// Runs fn on the server's end of the stream, if it is still there.
template <class Fn>
void ClientStream::at_server(Fn fn) {
  (void)core->server_loop.post([core = core, id = id, fn = std::move(fn)]() mutable {
    if (const auto found = core->streams.find(id); found != core->streams.end()) fn(*found->second);
  });
}

bool ClientStream::send(SharedBytes message) {
  if (observer == nullptr || end) return true;
  CHECK(!sending_ended, "a message behind the half-close of an RPC stream");
  auto room = window.take(*message);
  if (room.ok()) {
    at_server([message = std::move(message)](StreamSink& sink) mutable { sink.arrived(std::move(message)); });
    return *room;
  }
  end = std::move(room).error();
  at_server([](StreamSink& sink) { sink.closed(error(Code::Cancelled, "the client gave up")); });
  deliver_later();
  return true;
}

void ClientStream::end_sending() {
  if (observer == nullptr || end || std::exchange(sending_ended, true)) return;
  at_server([](StreamSink& sink) { sink.client_ended(); });
}

void ClientStream::deliver() {
  if (inbox.delivering) return;
  const auto keep = shared_from_this();  // an observer may destroy the RpcStream
  inbox.delivering = true;
  while (observer != nullptr && !inbox.paused && !inbox.waiting.empty()) {
    const SharedBytes message = std::move(inbox.waiting.front());
    inbox.waiting.pop_front();
    observer->on_message(*message);
    if (const std::size_t bytes = inbox.consumed(*message); bytes != 0)
      at_server([bytes](StreamSink& sink) { sink.credited(bytes); });
  }
  inbox.delivering = false;
  if (observer == nullptr || inbox.paused || !end) return;
  std::exchange(observer, nullptr)->on_end(std::move(*end));
}

void ClientStream::deliver_later() {
  loop.defer([weak = weak_from_this()] {
    if (auto alive = weak.lock()) alive->deliver();
  });
}

void ClientStream::cancel() {
  if (std::exchange(observer, nullptr) == nullptr) return;
  inbox.waiting.clear();
  if (!end) at_server([](StreamSink& sink) { sink.closed(error(Code::Cancelled, "the client gave up")); });
}

class LocalCall final : public RpcCall {
 public:
  explicit LocalCall(std::shared_ptr<ClientCall> call) : call_(std::move(call)) {}
  ~LocalCall() override { call_->cancel(); }

 private:
  std::shared_ptr<ClientCall> call_;
};

class LocalStream final : public RpcStream {
 public:
  explicit LocalStream(std::shared_ptr<ClientStream> stream) : stream_(std::move(stream)) {}
  ~LocalStream() override { stream_->cancel(); }
  bool send(SharedBytes message) override { return stream_->send(std::move(message)); }
  void end_sending() override { stream_->end_sending(); }
  void pause() override { stream_->inbox.paused = true; }
  void resume() override {
    if (std::exchange(stream_->inbox.paused, false)) stream_->deliver_later();
  }

 private:
  std::shared_ptr<ClientStream> stream_;
};

class LocalChannel final : public RpcChannel {
 public:
  LocalChannel(std::shared_ptr<Core> core, Loop& loop, RpcPeer peer)
      : core_(std::move(core)), loop_(loop), peer_(std::move(peer)) {}

  std::unique_ptr<RpcCall> call(RpcMethod method, Bytes request, MonoTime deadline, OnReply on_reply) override {
    CHECK(deadline != kNever, "a call needs a deadline");
    auto call = std::make_shared<ClientCall>(loop_, pending_, std::move(on_reply));
    call->core = core_;
    call->id = core_->next_id.fetch_add(1, std::memory_order_relaxed);
    call->timer.start_at(deadline);
    auto sink = std::make_unique<ReplySink>(loop_.ref(), call, call->id);
    if (auto admitted = admit(request); !admitted.ok()) {
      sink->finish(std::move(admitted).error());
      return std::make_unique<LocalCall>(std::move(call));
    }
    (void)core_->server_loop.post([core = core_, path = method.path, sink = std::move(sink),
                                   request = RpcRequest{peer_, std::move(request), deadline}]() mutable {
      if (core->server == nullptr) return;  // the sink answers
      sink->entered(*core);
      core->server->dispatch(path, std::move(request), std::move(sink));
    });
    return std::make_unique<LocalCall>(std::move(call));
  }

  std::unique_ptr<RpcStream> open(RpcMethod method, Bytes request, RpcStreamObserver& observer) override {
    auto stream = std::make_shared<ClientStream>(loop_, pending_, observer);
    stream->core = core_;
    stream->id = core_->next_id.fetch_add(1, std::memory_order_relaxed);
    auto sink = std::make_unique<StreamSink>(loop_.ref(), stream, stream->id);
    if (auto admitted = admit(request); !admitted.ok()) {
      sink->end(std::move(admitted));
      return std::make_unique<LocalStream>(std::move(stream));
    }
    (void)core_->server_loop.post([core = core_, path = method.path, sink = std::move(sink),
                                   request = RpcRequest{peer_, std::move(request), kNever}]() mutable {
      if (core->server == nullptr) return;
      sink->entered(*core);
      core->server->dispatch_stream(path, std::move(request), std::move(sink));
    });
    return std::make_unique<LocalStream>(std::move(stream));
  }

 private:
  Status admit(const Bytes& request) const {
    if (request.size() > kRpcMessageBytesMax) return too_large(request.size());
    if (*pending_ > kRpcCallsPendingMax)
      return error(Code::Overloaded, "{} calls are pending, the limit is {}", *pending_, kRpcCallsPendingMax);
    return {};
  }

  std::shared_ptr<Core> core_;
  Loop& loop_;
  RpcPeer peer_;
  std::shared_ptr<std::size_t> pending_ = std::make_shared<std::size_t>(0);
};

}  // namespace

LocalRpcListener::LocalRpcListener(Loop& server_loop, RpcServer& server)
    : core_(std::make_shared<Core>(server_loop.ref(), &server)) {}

LocalRpcListener::~LocalRpcListener() {
  core_->server = nullptr;
  // Each step may destroy others: take them one by one.
  while (!core_->calls.empty()) core_->calls.begin()->second->broken();
  while (!core_->streams.empty()) core_->streams.begin()->second->closed(server_gone());
}

std::unique_ptr<RpcChannel> LocalRpcListener::connect(Loop& client_loop, RpcPeer peer) const {
  return std::make_unique<LocalChannel>(core_, client_loop, std::move(peer));
}

}  // namespace mesh::net
