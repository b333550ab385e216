// Writes and reads that need a server, over one RpcChannel. Retries what may be retried until the caller's deadline:
// each write carries a request id, so a retry is applied once. Barriers of many callers share one call.
//
// Thread and ownership: one loop, that of the channel; each loop that asks has a client of its own. Completions fire
// once, later, on that loop; destroying the client cancels all of them without a call. The channel must outlive it.
// Errors: those of the servers; Unavailable ("no leader", not connected) and Timeout when the deadline ends the tries.
//
// Limits: kServerCallsMax operations at a time; more are refused with Overloaded.
#pragma once

#include <cstdint>
#include <list>
#include <memory>
#include <vector>

#include "base/function.h"
#include "base/result.h"
#include "base/rng.h"
#include "base/time.h"
#include "model/command.h"
#include "model/protocol.h"
#include "net/rpc.h"

namespace mesh::net {
class Loop;
}

namespace mesh::agent {

inline constexpr std::size_t kServerCallsMax = 8192;
inline constexpr Duration kServerRetryMin = milliseconds(20);
inline constexpr Duration kServerRetryMax = seconds(1);

class ServerClient {
 public:
  template <class T>
  using Done = UniqueFunction<void(Result<T>)>;

  ServerClient(net::Loop& loop, net::RpcChannel& channel, Rng rng);
  ~ServerClient();
  ServerClient(const ServerClient&) = delete;
  ServerClient& operator=(const ServerClient&) = delete;

  // Errors also: what the command was refused with when it was applied. token: of whoever asked this agent; empty for what
  // the agent itself wants.
  void apply(model::Command command, MonoTime deadline, Done<model::CommandResult> done) {
    apply(std::move(command), {}, deadline, std::move(done));
  }
  void apply(model::Command command, std::string token, MonoTime deadline, Done<model::CommandResult> done);

  // The index that an answer of this mode must not be older than.
  void barrier(model::ReadMode mode, MonoTime deadline, Done<std::uint64_t> done);

  void kv_read(model::KvReadRequest request, MonoTime deadline, Done<model::KvReadResponse> done);
  void sign(model::SignRequest request, MonoTime deadline, Done<model::SignResponse> done);
  // Of the server that answers, or of the leader: Unavailable without one.
  void status(MonoTime deadline, Done<model::StatusResponse> done);
  void leader_status(MonoTime deadline, Done<model::StatusResponse> done);

  // Denied: the servers do not know the token.
  void check_token(std::string token, MonoTime deadline, UniqueFunction<void(Status)> done);
  void create_join_token(const model::JoinTokenCreateRequest& request, MonoTime deadline,
                         Done<model::JoinTokenCreateResponse> done);

  [[nodiscard]] std::size_t calls() const { return operations_.size(); }

 private:
  class Operation;
  struct BarrierBatch;

  void start(net::RpcMethod method, Bytes request, MonoTime deadline, Done<Bytes> done);
  void remove(Operation* operation);
  void run_barrier(std::size_t slot);

  template <class Response>
  void start_typed(net::RpcMethod method, Bytes request, MonoTime deadline, Done<Response> done);

  net::Loop& loop_;
  net::RpcChannel& channel_;
  Rng rng_;
  std::shared_ptr<char> alive_ = std::make_shared<char>();
  std::list<std::unique_ptr<Operation>> operations_;
  std::vector<std::unique_ptr<BarrierBatch>> barriers_;  // one per ReadMode
};

}  // namespace mesh::agent
