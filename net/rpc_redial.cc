#include "net/rpc_redial.h"

#include <algorithm>
#include <list>

#include "net/loop.h"
#include "net/timer.h"

namespace mesh::net {

namespace {

// A call that had no connection: fails on the next turn.
class FailedCall final : public RpcCall {
 public:
  FailedCall(Loop& loop, Error why, RpcChannel::OnReply on_reply) : state_(std::make_shared<State>()) {
    state_->on_reply = std::move(on_reply);
    loop.defer([weak = std::weak_ptr(state_), why = std::move(why)]() mutable {
      const auto state = weak.lock();
      if (state == nullptr) return;
      RpcChannel::OnReply fn = std::move(state->on_reply);
      fn(std::move(why));
    });
  }

 private:
  struct State {
    RpcChannel::OnReply on_reply;
  };
  std::shared_ptr<State> state_;
};

class FailedStream final : public RpcStream {
 public:
  FailedStream(Loop& loop, Error why, RpcStreamObserver& observer)
      : loop_(loop), state_(std::make_shared<State>(State{&observer, std::move(why)})) {
    tell_later();
  }
  bool send(SharedBytes) override { return true; }
  void end_sending() override {}
  void pause() override { state_->paused = true; }
  void resume() override {
    if (std::exchange(state_->paused, false)) tell_later();
  }

 private:
  struct State {
    RpcStreamObserver* observer;  // null: told
    Error why;
    bool paused = false;
  };
  void tell_later() {
    loop_.defer([weak = std::weak_ptr(state_)] {
      const auto state = weak.lock();
      if (state == nullptr || state->paused || state->observer == nullptr) return;
      std::exchange(state->observer, nullptr)->on_end(std::move(state->why));
    });
  }
  Loop& loop_;
  std::shared_ptr<State> state_;
};

struct Link {
  Endpoint server;
  MonoTime since;
  std::unique_ptr<RpcHttp2Channel> channel;
};

}  // namespace

struct RpcRedialChannel::Core {
  Core(Loop& on_loop, RpcDialer& with_dialer, Rng with_rng, const RpcRedialOptions& with)
      : loop(on_loop), dialer(with_dialer), rng(with_rng), options(with), pause(with.pause_min), timer(on_loop, [this] { dial(); }) {
    state.since = loop.now();
    state.reason = "no server is known";
  }

  void set_endpoints(std::vector<Endpoint> list);
  void renew();
  void dial_now();
  void dial();
  void dialled(Result<std::unique_ptr<ByteStream>> result);
  void attempt_failed(const Error& why);
  void connected(std::unique_ptr<ByteStream> stream);
  void closed(Link* link, const Status& why);
  void going_away(Link* link);
  void drain(std::unique_ptr<Link> link);
  void lost_server(const Endpoint& server, const Error& why, bool stable);
  void tell();
  [[nodiscard]] Error not_connected() const { return error(Code::Unavailable, "not connected to a server: {}", state.reason); }

  Loop& loop;
  RpcDialer& dialer;
  Rng rng;
  RpcRedialOptions options;
  std::vector<Endpoint> endpoints;
  std::size_t next = 0;              // of endpoints
  std::size_t failed_in_round = 0;
  Duration pause;                    // after the next round of failures, before jitter
  Timer timer;
  Endpoint dialling;
  std::unique_ptr<RpcDial> attempt;  // null: none under way
  std::unique_ptr<Link> current;
  std::list<std::unique_ptr<Link>> draining;
  RpcLinkState state;
  UniqueFunction<void()> on_change;
};

void RpcRedialChannel::Core::tell() {
  if (on_change) on_change();
}

void RpcRedialChannel::Core::set_endpoints(std::vector<Endpoint> list) {
  std::sort(list.begin(), list.end());
  list.erase(std::unique(list.begin(), list.end()), list.end());
  auto before = endpoints;
  std::sort(before.begin(), before.end());
  if (list == before) return;
  endpoints = std::move(list);
  rng.shuffle(std::span(endpoints));
  next = 0;
  const bool keeps = current != nullptr && std::find(endpoints.begin(), endpoints.end(), current->server) != endpoints.end();
  const auto added = static_cast<std::size_t>(std::stable_partition(endpoints.begin(), endpoints.end(), [&](const Endpoint& each) {
                                                return !std::binary_search(before.begin(), before.end(), each);
                                              }) - endpoints.begin());
  if (!keeps || (added != 0 && rng.below(endpoints.size()) < added)) dial_now();
}

void RpcRedialChannel::Core::renew() {
  if (current != nullptr) {
    const auto found = std::find(endpoints.begin(), endpoints.end(), current->server);
    if (found != endpoints.end()) next = static_cast<std::size_t>(found - endpoints.begin());
  }
  dial_now();
}

// Forgets what was under way.
void RpcRedialChannel::Core::dial_now() {
  attempt.reset();
  failed_in_round = 0;
  pause = options.pause_min;
  dial();
}

void RpcRedialChannel::Core::dial() {
  timer.stop();
  state.next_attempt = kNever;
  if (endpoints.empty() || attempt != nullptr) return;
  dialling = endpoints[next++ % endpoints.size()];
  attempt = dialer.dial(dialling, loop.now() + options.connect_time_max,
                        [this](Result<std::unique_ptr<ByteStream>> result) { dialled(std::move(result)); });
}

void RpcRedialChannel::Core::dialled(Result<std::unique_ptr<ByteStream>> result) {
  loop.destroy_later(std::move(attempt));
  attempt = nullptr;
  if (result.ok()) connected(std::move(*result));
  else attempt_failed(result.error());
}

void RpcRedialChannel::Core::attempt_failed(const Error& why) {
  ++state.failures;
  if (!state.connected) {
    state.server = dialling;
    state.reason = fmt::format("{}: {}", dialling.to_string(), why.message);
  }
  if (++failed_in_round < endpoints.size()) return dial();
  failed_in_round = 0;
  const MonoTime at = loop.now() + rng.between(pause / 2, pause);
  pause = std::min(pause * 2, options.pause_max);
  state.next_attempt = at;
  timer.start_at(at);
}

void RpcRedialChannel::Core::connected(std::unique_ptr<ByteStream> stream) {
  if (current != nullptr) drain(std::move(current));
  current = std::make_unique<Link>(Link{dialling, loop.now(), nullptr});
  Link* link = current.get();
  link->channel = std::make_unique<RpcHttp2Channel>(std::move(stream), options.channel,
                                                    [this, link](const Status& why) { closed(link, why); });
  link->channel->set_on_going_away([this, link] { going_away(link); });
  failed_in_round = 0;
  state = RpcLinkState{.connected = true, .server = dialling, .since = link->since};
  tell();
}

void RpcRedialChannel::Core::closed(Link* link, const Status& why) {
  if (link != current.get()) {
    const auto found = std::find_if(draining.begin(), draining.end(), [link](const auto& one) { return one.get() == link; });
    if (found == draining.end()) return;
    loop.destroy_later(std::move(*found));
    draining.erase(found);
    return;
  }
  const Error reason = why.ok() ? error(Code::Unavailable, "the server closed the connection") : why.error();
  const bool stable = loop.now() >= link->since + options.stable_time;
  const Endpoint server = link->server;
  loop.destroy_later(std::move(current));
  current = nullptr;
  lost_server(server, reason, stable);
}

void RpcRedialChannel::Core::going_away(Link* link) {
  if (link != current.get()) return;
  const bool stable = loop.now() >= link->since + options.stable_time;
  Link& left = *link;
  drain(std::move(current));
  lost_server(left.server, error(Code::Unavailable, "the server is going away"), stable);
}

// New calls have no connection from here; another one is sought unless that is under way.
void RpcRedialChannel::Core::lost_server(const Endpoint& server, const Error& why, bool stable) {
  state.connected = false;
  state.since = loop.now();
  state.server = server;
  state.reason = fmt::format("{}: {}", server.to_string(), why.message);
  if (attempt == nullptr) {
    dialling = server;
    if (stable) dial_now();
    else attempt_failed(why);
  }
  tell();
}

void RpcRedialChannel::Core::drain(std::unique_ptr<Link> link) {
  current = nullptr;
  link->channel->shut_down(loop.now() + options.drain_time_max);
  draining.push_back(std::move(link));
  if (draining.size() <= options.draining_max) return;
  loop.destroy_later(std::move(draining.front()));
  draining.pop_front();
}

RpcRedialChannel::RpcRedialChannel(Loop& loop, RpcDialer& dialer, Rng rng, const RpcRedialOptions& options)
    : core_(std::make_unique<Core>(loop, dialer, rng, options)) {}

RpcRedialChannel::~RpcRedialChannel() = default;

std::unique_ptr<RpcCall> RpcRedialChannel::call(RpcMethod method, Bytes request, MonoTime deadline, OnReply on_reply) {
  CHECK(deadline != kNever, "a call needs a deadline");
  if (core_->current != nullptr) return core_->current->channel->call(method, std::move(request), deadline, std::move(on_reply));
  return std::make_unique<FailedCall>(core_->loop, core_->not_connected(), std::move(on_reply));
}

std::unique_ptr<RpcStream> RpcRedialChannel::open(RpcMethod method, Bytes request, RpcStreamObserver& observer) {
  if (core_->current != nullptr) return core_->current->channel->open(method, std::move(request), observer);
  return std::make_unique<FailedStream>(core_->loop, core_->not_connected(), observer);
}

void RpcRedialChannel::set_endpoints(std::vector<Endpoint> endpoints) { core_->set_endpoints(std::move(endpoints)); }
void RpcRedialChannel::renew() { core_->renew(); }
const RpcLinkState& RpcRedialChannel::state() const { return core_->state; }
void RpcRedialChannel::set_on_change(UniqueFunction<void()> fn) { core_->on_change = std::move(fn); }

std::string RpcRedialChannel::describe() const {
  const RpcLinkState& state = core_->state;
  if (state.connected) return fmt::format("connected to {}", state.server.to_string());
  std::string text = "not connected: " + state.reason;
  if (state.next_attempt != kNever)
    text += fmt::format(" ({} failed attempts, next in {} ms)", state.failures,
                        std::max<std::int64_t>(to_millis(state.next_attempt - core_->loop.now()), 0));
  return text;
}

}  // namespace mesh::net
