// RpcService: what agents ask of a server (model/protocol.h).
//
//   Apply    checks the command, puts in the leader's time and random bytes, proposes it, answers its result
//   Barrier  answers an index that a fresh enough answer must have reached; callers that wait share one quorum round
//   KvRead   waits for freshness as Barrier does, then answers or blocks (KvReads)
//   Watch    hands the stream to the WatchHub
//   Forward  another server's call for somebody else: answered as that caller's own
//   MemberRevoke, of a server, is refused if too few would be left; Raft lets the server go first (MembershipDuty), and only
//   then is the command proposed: whoever is in Raft's configuration has a row and is spoken with
//   Join, Sign and what concerns tokens: IdentityService
//
// At a server that does not lead: writes and identity go to the leader (LeaderCalls); reads are answered here, after the
// leader has said how far this server's state must be (ReadIndex), blocking ones from then on by this server's own state,
// so that a wait costs the leader nothing. Status and Watch are any server's.
//
// Each call is decided by server/authorize.h first; a refusal by a state that may be behind is decided again by a fresh one.
// A member that is removed loses its watch and Raft streams at once.
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
#include "server/leader_calls.h"
#include "server/membership_duty.h"
#include "server/raft_host.h"
#include "server/rpc_transport.h"
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
    RpcTransport& transport;
  };
  struct Options {
    std::uint64_t seed = 0;   // of the random bytes in commands; from the system's generator
    Duration refusal_delay = LateRefusals::kRefusalDelay;
    MetricRegistry* metrics = nullptr;
    Duration hold_max = LeaderCalls::kHoldMax;
    bool keeps_membership = true;  // see ServerOptions
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

  void on_role();
  // Calls that have no answer yet.
  [[nodiscard]] std::size_t under_way() const { return calls_.under_way(); }

 private:
  void apply(net::RpcRequest request, net::RpcReply reply);
  void revoke(model::Command command, MonoTime deadline, net::RpcReply reply);
  void end_membership(model::Command command, MembershipDuty::Leaving leaving, net::RpcReply reply);
  void barrier(net::RpcRequest request, net::RpcReply reply);
  void kv_read(net::RpcRequest request, net::RpcReply reply);
  void status(net::RpcRequest request, net::RpcReply reply);
  void watch(net::RpcRequest request, std::unique_ptr<net::RpcServerStream> stream);
  void forward(net::RpcRequest request, net::RpcReply reply);

  template <class M>
  [[nodiscard]] Result<M> read_request(const net::RpcRequest& request) const;
  [[nodiscard]] Status allow(const net::RpcRequest& request, std::string_view token, Wish wish) const;
  void allow_fresh(const net::RpcRequest& request, const std::string& token, Wish wish, UniqueFunction<void(Status)> then);
  [[nodiscard]] Status allow_write(const net::RpcRequest& request, const model::ApplyRequest& message) const;
  void tell_peers(const State& state);
  void drop_removed_members(const model::ChangeSet& changes, const State& state);

  void on_changes(const model::ChangeSet& changes, const State& state) override;
  void on_loaded(const State& state) override;

  Parts parts_;
  Options options_;
  Rng rng_;
  WatchHub watches_;
  KvReads kv_reads_;
  IdentityService identity_;
  LeaderCalls calls_;
  MembershipDuty duty_;
};

}  // namespace mesh::server
