// IdentityService: Join, Sign, TokenCheck, JoinTokenCreate, JoinTokenList (model/protocol.h): who is let in and gets which
// certificate. Only a leader answers them; other servers pass them on (LeaderCalls).
//
//   request -> may this caller? -> read the CSR (worker) -> may this key? -> propose Admit or LeafIssued -> committed and
//   not refused -> sign (worker) -> answer
//
// Recording precedes handing out: what was signed is known to every server, and a certificate that was recorded and got lost
// on its way harms nobody.
//
// Thread: the raft loop. Ownership as RpcService's, which owns it. Limits: kIssuingMax requests for certificates under way,
// kCsrBytesMax; refusals of guesses are delayed (LateRefusals).
#pragma once

#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <string>
#include <vector>

#include "base/function.h"
#include "base/metrics.h"
#include "model/join_ticket.h"
#include "model/protocol.h"
#include "net/loop.h"
#include "net/rpc.h"
#include "server/ca.h"
#include "server/late_refusals.h"
#include "server/leader_calls.h"
#include "server/raft_host.h"
#include "server/state.h"

namespace mesh::server {

class IdentityService {
 public:
  static constexpr std::size_t kIssuingMax = 256;
  static constexpr std::size_t kCsrBytesMax = 4096;
  static constexpr std::size_t kJoinRequestBytesMax = 16 * 1024;

  struct Parts {
    net::Loop& loop;
    Ca& ca;
    std::function<const State&()> state;
    std::function<bool()> serves;  // RaftHost::serves
    std::function<void(model::Command, RaftHost::OnResult)> propose;
    std::function<std::vector<std::string>()> servers;  // ADDRESS:PORT of their RPC
    Duration refusal_delay = LateRefusals::kRefusalDelay;
    MetricRegistry* metrics = nullptr;
  };
  explicit IdentityService(Parts parts);
  ~IdentityService();
  IdentityService(const IdentityService&) = delete;
  IdentityService& operator=(const IdentityService&) = delete;

  void serve(net::RpcServer& server, LeaderCalls& calls);

  [[nodiscard]] std::size_t issuing() const { return issuing_.size(); }

 private:
  class Issue;
  struct Wanted;

  void join(net::RpcRequest request, net::RpcReply reply);
  void sign(net::RpcRequest request, net::RpcReply reply);
  void token_check(net::RpcRequest request, net::RpcReply reply);
  void join_token_create(net::RpcRequest request, net::RpcReply reply);
  void join_token_list(net::RpcRequest request, net::RpcReply reply);

  [[nodiscard]] const State& state() const { return parts_.state(); }
  [[nodiscard]] Status check_serving() const;
  [[nodiscard]] Status check_can_sign() const;
  [[nodiscard]] Status check_join(const model::JoinRequest& request) const;
  [[nodiscard]] bool may_know(const model::JoinRequest& request) const;
  [[nodiscard]] Result<model::JoinTicket> new_ticket(model::JoinKind kind) const;

  void issue(Wanted wanted, Bytes csr, net::RpcReply reply);
  void remove(Issue& issue);
  void answer(net::RpcReply reply, bool join, Result<Bytes> result);
  void refuse_late(net::RpcReply reply, std::string_view call, Error why);

  Parts parts_;
  CounterFamily requests_;
  Gauge under_way_;
  LateRefusals refusals_;
  std::list<std::unique_ptr<Issue>> issuing_;
};

}  // namespace mesh::server
