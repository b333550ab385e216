#include "server/leader_calls.h"

#include <algorithm>
#include <iterator>
#include <optional>
#include <utility>

namespace mesh::server {

namespace {

constexpr Duration kCallTimeDefault = seconds(60);  // of a caller that names no deadline

model::ForwardKind kind_of(net::RpcPeer::Kind kind) {
  switch (kind) {
    case net::RpcPeer::Kind::Local:
      return model::ForwardKind::Local;
    case net::RpcPeer::Kind::Agent:
      return model::ForwardKind::Agent;
    case net::RpcPeer::Kind::Server:
      return model::ForwardKind::Server;
    case net::RpcPeer::Kind::Joining:
      break;
  }
  return model::ForwardKind::Joining;
}

}  // namespace

struct LeaderCalls::Call {
  enum class State : std::uint8_t { Waiting, Here, Forwarded, Over };

  Call(const Method& of, net::RpcRequest with, net::RpcReply answer)
      : method(of), request(std::move(with)), reply(std::move(answer)) {}

  const Method& method;
  net::RpcRequest request;
  net::RpcReply reply;
  MonoTime hold_until{};
  MonoTime not_before{};
  State state = State::Waiting;
  std::uint64_t attempt = 0;         // an answer to an earlier one is not listened to
  std::optional<Error> why;          // it waits
  raft::ServerId asked;              // Forwarded
  std::unique_ptr<net::RpcCall> forward;
  UniqueFunction<void()> on_cancelled;  // Here: the handler's
  std::list<CallPtr>::iterator place;
};

struct LeaderCalls::HeldRead {
  model::ReadMode mode;
  MonoTime hold_until;
  RaftHost::OnIndex on_index;
  bool waiting = false;
  std::list<ReadPtr>::iterator place{};
};

// What a handler of this server answers into.
class LeaderCalls::LocalSink final : public net::RpcReplySink {
 public:
  LocalSink(LeaderCalls& owner, std::weak_ptr<Call> call, std::uint64_t attempt)
      : owner_(owner), call_(std::move(call)), attempt_(attempt) {}
  void finish(Result<Bytes> result) override {
    if (const CallPtr call = current()) owner_.tried(call, std::move(result));
  }
  void set_on_cancelled(UniqueFunction<void()> on_cancelled) override {
    if (const CallPtr call = current()) call->on_cancelled = std::move(on_cancelled);
  }

 private:
  [[nodiscard]] CallPtr current() const {
    CallPtr call = call_.lock();
    return call != nullptr && call->state == Call::State::Here && call->attempt == attempt_ ? call : nullptr;
  }
  LeaderCalls& owner_;  // outlives every call
  std::weak_ptr<Call> call_;
  std::uint64_t attempt_;
};

// Counts an answer that another server waits for.
class LeaderCalls::CountedSink final : public net::RpcReplySink {
 public:
  CountedSink(net::RpcReply reply, std::shared_ptr<std::size_t> count) : reply_(std::move(reply)), count_(std::move(count)) { ++*count_; }
  ~CountedSink() override { --*count_; }
  void finish(Result<Bytes> result) override { reply_.finish(std::move(result)); }
  void set_on_cancelled(UniqueFunction<void()> on_cancelled) override { reply_.on_cancelled(std::move(on_cancelled)); }

 private:
  net::RpcReply reply_;
  std::shared_ptr<std::size_t> count_;
};

LeaderCalls::LeaderCalls(Parts parts) : parts_(parts), timer_(parts.loop, [this] { look_again(); }) {
  if (parts_.metrics == nullptr) return;
  forwarded_ = parts_.metrics->counter({"meshd_server_calls_forwarded_total", "Calls passed on to the leader"});
  waited_ = parts_.metrics->counter({"meshd_server_calls_waited_total", "Calls that waited for a leader"});
}

LeaderCalls::~LeaderCalls() {
  for (const CallPtr& call : calls_) {
    call->state = Call::State::Over;
    call->forward.reset();
  }
}

void LeaderCalls::handle(net::RpcServer& server, std::string_view path, Handler handler, MayRepeat may_repeat) {
  const auto [place, fresh] =
      methods_.emplace(path, Method{std::string(path), std::move(handler), std::move(may_repeat)});
  CHECK(fresh, "{} has a handler already", path);
  server.handle({path}, [this, method = &place->second](net::RpcRequest request, net::RpcReply reply) {
    start(*method, std::move(request), std::move(reply));
  });
}

bool LeaderCalls::alone() const {
  const raft::Configuration& members = parts_.host.core().configuration();
  return parts_.host.serves() && members.voters.size() == 1 && members.learners.empty();
}

void LeaderCalls::start(const Method& method, net::RpcRequest request, net::RpcReply reply) {
  if (alone()) return method.handler(std::move(request), std::move(reply));  // nobody could take over
  if (calls_.size() >= kCallsMax || bytes_ + request.body.size() > kCallBytesMax) {
    return reply.finish(error(Code::Overloaded, "more than {} calls, or {} bytes, wait for the leader", kCallsMax, kCallBytesMax));
  }
  bytes_ += request.body.size();
  calls_.push_back(std::make_shared<Call>(method, std::move(request), std::move(reply)));
  const CallPtr call = calls_.back();
  call->place = std::prev(calls_.end());
  const MonoTime now = parts_.loop.now();
  if (call->request.deadline == kNever) call->request.deadline = now + kCallTimeDefault;
  call->hold_until = std::min(now + parts_.hold_max, call->request.deadline);
  call->reply.on_cancelled([this, weak = std::weak_ptr(call)] {
    const CallPtr given_up = weak.lock();
    if (given_up == nullptr || given_up->state == Call::State::Over) return;
    UniqueFunction<void()> tell = std::move(given_up->on_cancelled);
    remove(given_up);
    if (tell) tell();
  });
  advance(call);
}

void LeaderCalls::answer_forwarded(std::string_view path, net::RpcRequest request, net::RpcReply reply) {
  const auto method = methods_.find(path);
  if (method == methods_.end()) return reply.finish(error(Code::Unsupported, "{} is not passed on", path));
  if (!parts_.host.serves()) return reply.finish(error(Code::Unavailable, "this server is not the leader"));
  method->second.handler(std::move(request), net::RpcReply(std::make_unique<CountedSink>(std::move(reply), forwarded_here_)));
}

// --- a call

void LeaderCalls::advance(const CallPtr& call) {
  if (parts_.host.is_leader()) {
    if (parts_.host.serves()) return run_here(call);
    return wait(call, error(Code::Unavailable, "this server has only begun to lead"));
  }
  const raft::ServerId leader = parts_.host.core().leader();
  if (leader == raft::kNoServer) return wait(call, error(Code::Unavailable, "there is no leader"));
  const RaftLaneSender* lane = parts_.transport.lane_to(leader, RaftLane::Bulk);
  if (lane == nullptr) return wait(call, error(Code::Unavailable, "the address of the leader, server {}, is not known", leader.value()));
  if (!lane->connected()) return wait(call, error(Code::Unavailable, "the leader, server {}: {}", leader.value(), lane->describe()));
  pass_on(call, leader, *parts_.transport.channel_to(leader));
}

void LeaderCalls::run_here(const CallPtr& call) {
  call->state = Call::State::Here;
  net::RpcRequest request = call->request;
  call->method.handler(std::move(request), net::RpcReply(std::make_unique<LocalSink>(*this, call, ++call->attempt)));
}

void LeaderCalls::pass_on(const CallPtr& call, raft::ServerId leader, net::RpcChannel& channel) {
  model::ForwardRequest request;
  request.path = call->method.path;
  request.body = call->request.body;
  request.caller_kind = kind_of(call->request.peer.kind);
  request.caller_id = call->request.peer.id;
  call->state = Call::State::Forwarded;
  call->asked = leader;
  forwarded_.add();
  call->forward = channel.call({model::kForwardPath}, encode(request), call->request.deadline,
                               [this, weak = std::weak_ptr(call)](Result<Bytes> result) {
                                 if (const CallPtr alive = weak.lock()) tried(alive, std::move(result));
                               });
}

void LeaderCalls::tried(const CallPtr& call, Result<Bytes> result) {
  if (call->state == Call::State::Over) return;
  if (!result.ok() && result.error().code == Code::Cancelled) {  // of our own end; to the caller any other server will do
    result = error(Code::Unavailable, "{}", result.error().message);
  }
  if (call->forward) parts_.loop.defer([done = std::shared_ptr(std::move(call->forward))] {});
  call->on_cancelled = {};
  const bool again = !result.ok() && result.error().code == Code::Unavailable && call->method.may_repeat(call->request.body);
  if (!again) return finish(call, std::move(result));
  call->not_before = parts_.loop.now() + kPauseMin;
  wait(call, result.error());
}

void LeaderCalls::wait(const CallPtr& call, const Error& why) {
  call->state = Call::State::Waiting;
  if (!call->why) waited_.add();
  call->why = why;
  if (timer_.deadline() == kNever) timer_.start_after(kLookAgain);
}

void LeaderCalls::finish(const CallPtr& call, Result<Bytes> result) {
  remove(call);
  call->reply.finish(std::move(result));
}

void LeaderCalls::remove(const CallPtr& call) {
  call->state = Call::State::Over;
  if (call->forward) parts_.loop.defer([done = std::shared_ptr(std::move(call->forward))] {});
  bytes_ -= call->request.body.size();
  calls_.erase(call->place);
}

// --- reads

void LeaderCalls::read(model::ReadMode mode, MonoTime deadline, RaftHost::OnIndex on_index) {
  if (reads_.size() >= kCallsMax) return on_index(error(Code::Overloaded, "more than {} reads wait for the leader", kCallsMax));
  const MonoTime hold_until = std::min(parts_.loop.now() + parts_.hold_max, deadline);
  reads_.push_back(std::make_shared<HeldRead>(HeldRead{mode, hold_until, std::move(on_index)}));
  reads_.back()->place = std::prev(reads_.end());
  try_read(ReadPtr(reads_.back()));
}

void LeaderCalls::try_read(const ReadPtr& read) {
  read->waiting = false;
  parts_.host.read(read->mode, [this, read](Result<raft::Index> index) {
    const bool again = !index.ok() && index.error().code == Code::Unavailable && parts_.loop.now() < read->hold_until;
    if (again) {
      read->waiting = true;
      if (timer_.deadline() == kNever) timer_.start_after(kLookAgain);
      return;
    }
    reads_.erase(read->place);
    read->on_index(std::move(index));
  });
}

// --- waiting

void LeaderCalls::on_role() {
  if (!calls_.empty() || !reads_.empty()) timer_.start_after(Duration::zero());
}

// It waits for a leader, or for this server, which has lost the lead, to hear what became of it.
bool LeaderCalls::in_limbo(const Call& call) const {
  return call.state == Call::State::Waiting || (call.state == Call::State::Here && !parts_.host.is_leader());
}

void LeaderCalls::expire(const CallPtr& call, MonoTime now) {
  if (now < call->hold_until) return;
  finish(call, call->why.value_or(error(Code::Unavailable, "the leader changed, and no other one is known")));
}

void LeaderCalls::look_again() {
  const MonoTime now = parts_.loop.now();
  const raft::ServerId leader = parts_.host.core().leader();
  const std::list<CallPtr> calls = calls_;
  for (const CallPtr& call : calls) {
    const bool lost = call->state == Call::State::Forwarded && leader != raft::kNoServer && leader != call->asked &&
                      call->method.may_repeat(call->request.body);
    if (lost) {  // the old leader may answer late, or never
      call->forward.reset();
      call->state = Call::State::Waiting;
      call->not_before = now;
    }
    if (call->state == Call::State::Waiting && now >= call->not_before) advance(call);
    if (in_limbo(*call)) expire(call, now);
  }
  const std::list<ReadPtr> reads = reads_;
  for (const ReadPtr& read : reads) {
    if (read->waiting) try_read(read);
  }
  const bool waits = std::any_of(calls_.begin(), calls_.end(), [this](const CallPtr& call) { return in_limbo(*call); }) ||
                     std::any_of(reads_.begin(), reads_.end(), [](const ReadPtr& read) { return read->waiting; });
  if (waits && timer_.deadline() == kNever) timer_.start_after(kLookAgain);
}

}  // namespace mesh::server
