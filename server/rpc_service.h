// RpcService: what agents ask of a server (model/protocol.h).
//
//   Apply    checks the command, puts in the leader's time and random bytes, proposes it, answers its result
//   Barrier  answers an index that a fresh enough answer must have reached; callers that wait share one quorum round
//   KvRead   waits for freshness as Barrier does, then answers or blocks (KvReads)
//   Watch    hands the stream to the WatchHub
//   Forward  another server's call for somebody else: dispatched as that caller's own
//   Join, Sign and what concerns tokens: IdentityService
//
// Each call is decided by server/authorize.h first. A member that is removed loses its watch streams at once.
//
// Thread: the raft loop. Ownership: it registers its handlers in an RpcServer that must not be used after it;
// host, machine, CA and loop outlive it.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/rng.h"
#include "net/rpc.h"
#include "server/authorize.h"
#include "server/ca.h"
#include "server/identity_service.h"
#include "server/kv_reads.h"
#include "server/raft_host.h"
#include "server/state_machine.h"
#include "server/watch_hub.h"

namespace mesh::server {

class RpcService final : private StateObserver {
 public:
  struct Parts {
    net::Loop& loop;
    RaftHost& host;
    StateMachine& machine;
    Ca& ca;
  };
  struct Options {
    std::string rpc_address;  // ADDRESS:PORT of this server, as Status tells it
    std::uint64_t seed = 0;   // of the random bytes in commands; from the system's generator
    Duration refusal_delay = LateRefusals::kRefusalDelay;
    // Of the agent with this node id: the stream of its watch was ended by its side.
    std::function<void(const std::string& node_id)> on_stream_end = nullptr;
    std::function<void(const model::ChangeSet&)> on_changes = nullptr;  // after they were applied
  };

  // From here on it observes the machine.
  RpcService(Parts parts, Options options);
  ~RpcService() override;
  RpcService(const RpcService&) = delete;
  RpcService& operator=(const RpcService&) = delete;

  void serve(net::RpcServer& server);

  // Fills in time and random bytes and proposes; also for the server's own commands. The command is checked
  // already.
  void propose(model::Command command, RaftHost::OnResult on_result);

 private:
  void apply(net::RpcRequest request, net::RpcReply reply);
  void barrier(net::RpcRequest request, net::RpcReply reply);
  void kv_read(net::RpcRequest request, net::RpcReply reply);
  void status(net::RpcRequest request, net::RpcReply reply);
  void watch(net::RpcRequest request, std::unique_ptr<net::RpcServerStream> stream);
  void forward(net::RpcRequest request, net::RpcReply reply);

  template <class M>
  [[nodiscard]] Result<M> read_request(const net::RpcRequest& request) const;
  [[nodiscard]] Status allow(const net::RpcRequest& request, std::string_view token, Wish wish) const;
  [[nodiscard]] Status allow_write(const net::RpcRequest& request, const model::ApplyRequest& message) const;
  [[nodiscard]] std::vector<std::string> server_addresses() const;
  void drop_removed_members(const model::ChangeSet& changes, const State& state);

  void on_changes(const model::ChangeSet& changes, const State& state) override;
  void on_loaded(const State& state) override;

  Parts parts_;
  Options options_;
  Rng rng_;
  WatchHub watches_;
  KvReads kv_reads_;
  IdentityService identity_;
  net::RpcServer* server_ = nullptr;  // where the handlers are; for Forward
};

}  // namespace mesh::server
