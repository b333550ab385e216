#include "agent/server_client.h"

#include <algorithm>
#include <optional>

#include "net/loop.h"
#include "net/timer.h"

namespace mesh::agent {
namespace {

// The outcome of an attempt with these is "not done, or done and recognised by its request id": try again.
bool may_retry(Code code) { return code == Code::Unavailable || code == Code::Overloaded; }

constexpr std::size_t kReadModes = 3;

}  // namespace

// One call with its tries. Owned by the client; removed before its completion runs, so that the completion may do
// anything, destroying the client included.
class ServerClient::Operation {
 public:
  Operation(ServerClient& client, net::RpcMethod method, Bytes request, MonoTime deadline, Done<Bytes> done)
      : client_(client),
        method_(method),
        request_(std::move(request)),
        deadline_(deadline),
        done_(std::move(done)),
        timer_(client.loop_, [this] { attempt(); }) {}

  void attempt() {
    call_ = client_.channel_.call(method_, request_, deadline_, [this](Result<Bytes> reply) { on_reply(std::move(reply)); });
  }

 private:
  void on_reply(Result<Bytes> reply) {
    const MonoTime now = client_.loop_.now();
    const Duration pause = client_.rng_.between(backoff_ / 2, backoff_);
    if (!reply.ok() && may_retry(reply.error().code) && now + pause < deadline_) {
      backoff_ = std::min(backoff_ * 2, kServerRetryMax);
      timer_.start_after(pause);
      last_refusal_ = std::move(reply).error();
      return;
    }
    // Why it was tried so long says more than that the time is over.
    if (!reply.ok() && reply.error().code == Code::Timeout && last_refusal_)
      reply = error(Code::Timeout, "no answer in time: {}", last_refusal_->message);
    auto done = std::move(done_);
    client_.remove(this);
    done(std::move(reply));
  }

  ServerClient& client_;
  net::RpcMethod method_;
  Bytes request_;
  MonoTime deadline_;
  Done<Bytes> done_;
  Duration backoff_ = kServerRetryMin;
  std::optional<Error> last_refusal_;
  net::Timer timer_;
  std::unique_ptr<net::RpcCall> call_;
};

// Those who wait for the running barrier, and those who came after it began and need a later one.
struct ServerClient::BarrierBatch {
  struct Waiter {
    MonoTime deadline;
    Done<std::uint64_t> done;
  };
  bool running = false;
  std::vector<Waiter> waiting;
};

ServerClient::ServerClient(net::Loop& loop, net::RpcChannel& channel, Rng rng)
    : loop_(loop), channel_(channel), rng_(std::move(rng)) {
  for (std::size_t i = 0; i < kReadModes; ++i) barriers_.push_back(std::make_unique<BarrierBatch>());
}

ServerClient::~ServerClient() = default;

void ServerClient::start(net::RpcMethod method, Bytes request, MonoTime deadline, Done<Bytes> done) {
  if (operations_.size() >= kServerCallsMax) {
    loop_.defer([alive = std::weak_ptr(alive_), done = std::move(done)]() mutable {
      if (alive.expired()) return;
      done(error(Code::Overloaded, "this agent has {} requests to the servers under way; try again later", kServerCallsMax));
    });
    return;
  }
  operations_.push_back(std::make_unique<Operation>(*this, method, std::move(request), deadline, std::move(done)));
  operations_.back()->attempt();
}

void ServerClient::remove(Operation* operation) {
  const auto found = std::find_if(operations_.begin(), operations_.end(),
                                  [operation](const auto& owned) { return owned.get() == operation; });
  CHECK(found != operations_.end());
  loop_.destroy_later(std::move(*found));
  operations_.erase(found);
}

template <class Response>
void ServerClient::start_typed(net::RpcMethod method, Bytes request, MonoTime deadline, Done<Response> done) {
  start(method, std::move(request), deadline, [done = std::move(done)](Result<Bytes> reply) mutable {
    if (!reply.ok()) return done(std::move(reply).error());
    done(decode<Response>(reply.value()));
  });
}

void ServerClient::apply(model::Command command, std::string token, MonoTime deadline, Done<model::CommandResult> done) {
  Bytes id;
  while (id.size() < model::kRequestIdBytes) append_be64(id, rng_.next());
  command.request_id = std::move(id);
  model::ApplyRequest request;
  request.command = std::move(command);
  request.token = std::move(token);
  start_typed<model::CommandResult>({model::kApplyPath}, encode(request), deadline,
                                    [done = std::move(done)](Result<model::CommandResult> result) mutable {
                                      const Status said = result.ok() ? model::status_of(*result) : Status();
                                      if (said.ok()) done(std::move(result));
                                      else done(said.error());
                                    });
}

void ServerClient::barrier(model::ReadMode mode, MonoTime deadline, Done<std::uint64_t> done) {
  const auto slot = static_cast<std::size_t>(mode);
  CHECK(slot < barriers_.size());
  barriers_[slot]->waiting.push_back({deadline, std::move(done)});
  if (!barriers_[slot]->running) run_barrier(slot);
}

void ServerClient::run_barrier(std::size_t slot) {
  BarrierBatch& batch = *barriers_[slot];
  auto waiters = std::move(batch.waiting);
  batch.waiting.clear();
  batch.running = !waiters.empty();
  if (waiters.empty()) return;
  MonoTime deadline{};
  for (const auto& waiter : waiters) deadline = std::max(deadline, waiter.deadline);
  model::BarrierRequest request;
  request.mode = static_cast<model::ReadMode>(slot);
  start_typed<model::BarrierResponse>(
      {model::kBarrierPath}, encode(request), deadline,
      [this, slot, waiters = std::move(waiters)](Result<model::BarrierResponse> response) mutable {
        run_barrier(slot);
        for (auto& waiter : waiters) {
          if (response.ok()) waiter.done(response.value().index);
          else waiter.done(response.error());
        }
      });
}

void ServerClient::kv_read(model::KvReadRequest request, MonoTime deadline, Done<model::KvReadResponse> done) {
  start_typed<model::KvReadResponse>({model::kKvReadPath}, encode(request), deadline, std::move(done));
}

void ServerClient::sign(model::SignRequest request, MonoTime deadline, Done<model::SignResponse> done) {
  start_typed<model::SignResponse>({model::kSignPath}, encode(request), deadline, std::move(done));
}

void ServerClient::status(MonoTime deadline, Done<model::StatusResponse> done) {
  start_typed<model::StatusResponse>({model::kStatusPath}, encode(model::StatusRequest{}), deadline, std::move(done));
}

void ServerClient::leader_status(MonoTime deadline, Done<model::StatusResponse> done) {
  start_typed<model::StatusResponse>({model::kLeaderStatusPath}, encode(model::StatusRequest{}), deadline, std::move(done));
}

void ServerClient::check_token(std::string token, MonoTime deadline, UniqueFunction<void(Status)> done) {
  model::TokenCheckRequest request;
  request.token = std::move(token);
  start_typed<model::TokenCheckResponse>(
      {model::kTokenCheckPath}, encode(request), deadline,
      [done = std::move(done)](const Result<model::TokenCheckResponse>& known) mutable {
        done(known.ok() ? Status() : Status(known.error()));
      });
}

void ServerClient::create_join_token(const model::JoinTokenCreateRequest& request, MonoTime deadline,
                                     Done<model::JoinTokenCreateResponse> done) {
  start_typed<model::JoinTokenCreateResponse>({model::kJoinTokenCreatePath}, encode(request), deadline, std::move(done));
}

}  // namespace mesh::agent
