// LeaderCalls: calls that only the leader can answer, at any server of the cluster. The leader answers; another server
// passes the call on to it (model::ForwardRequest) and back comes its answer. While there is no leader, or the one that
// was known does not answer any more, a call waits for the next one, so that a change of leader is a pause to clients and
// no error.
//
//   call -> this server leads: its handler
//        -> another one does:  Forward, over the transport's bulk connection, with the caller as proven here
//        -> nobody does:       waits, at most kHoldMax and the caller's deadline
//   the answer is Unavailable, and the method may be repeated: as if it had just come, with what is left of its time
//
// A forwarded call goes no further: a server that does not lead answers it with Unavailable. What may be repeated: reads,
// what names its subject (Join, Sign), and commands with a request id, which the state machine applies once.
//
// Thread: the raft loop. Host, transport and loop outlive it; the RpcServer with its handlers must not be used after it.
// Limits: kCallsMax calls and kCallBytesMax of requests under way; more: Overloaded.
#pragma once

#include <functional>
#include <list>
#include <map>
#include <memory>
#include <string>

#include "base/function.h"
#include "model/protocol.h"
#include "net/loop.h"
#include "net/rpc.h"
#include "net/timer.h"
#include "server/raft_host.h"
#include "server/rpc_transport.h"

namespace mesh::server {

class LeaderCalls {
 public:
  static constexpr Duration kHoldMax = seconds(3);
  static constexpr Duration kLookAgain = milliseconds(10);  // for a leader, while something waits
  static constexpr Duration kPauseMin = milliseconds(20);   // between two tries of a call at the same server
  static constexpr std::size_t kCallsMax = 16 * 1024;
  static constexpr std::size_t kCallBytesMax = 64 * 1024 * 1024;

  using Handler = std::function<void(net::RpcRequest, net::RpcReply)>;
  using MayRepeat = std::function<bool(const Bytes& request)>;

  struct Parts {
    net::Loop& loop;
    RaftHost& host;
    RpcTransport& transport;
    MetricRegistry* metrics = nullptr;
    Duration hold_max = kHoldMax;
  };
  explicit LeaderCalls(Parts parts);
  ~LeaderCalls();  // calls under way are answered with Unavailable
  LeaderCalls(const LeaderCalls&) = delete;
  LeaderCalls& operator=(const LeaderCalls&) = delete;

  // Registers a method that needs the leader.
  void handle(net::RpcServer& server, std::string_view path, Handler handler, MayRepeat may_repeat);
  // The inner call of a Forward; `request` has its caller and body.
  void answer_forwarded(std::string_view path, net::RpcRequest request, net::RpcReply reply);

  // RaftHost::read, which any server can do, but waits for a leader as calls do.
  void read(model::ReadMode mode, MonoTime deadline, RaftHost::OnIndex on_index);

  // The role of this server or the leader that it knows has changed.
  void on_role();

  // Answers owed: to clients of this server, and to servers that passed calls on.
  [[nodiscard]] std::size_t under_way() const { return calls_.size() + reads_.size() + *forwarded_here_; }

 private:
  struct Method {
    std::string path;
    Handler handler;
    MayRepeat may_repeat;
  };
  struct Call;
  struct HeldRead;
  class LocalSink;
  class CountedSink;
  using CallPtr = std::shared_ptr<Call>;
  using ReadPtr = std::shared_ptr<HeldRead>;

  [[nodiscard]] bool alone() const;
  [[nodiscard]] bool in_limbo(const Call& call) const;
  void expire(const CallPtr& call, MonoTime now);
  void start(const Method& method, net::RpcRequest request, net::RpcReply reply);
  void advance(const CallPtr& call);
  void run_here(const CallPtr& call);
  void pass_on(const CallPtr& call, raft::ServerId leader, net::RpcChannel& channel);
  void tried(const CallPtr& call, Result<Bytes> result);
  void wait(const CallPtr& call, const Error& why);
  void finish(const CallPtr& call, Result<Bytes> result);
  void remove(const CallPtr& call);
  void try_read(const ReadPtr& read);
  void look_again();

  Parts parts_;
  std::map<std::string, Method, std::less<>> methods_;
  std::list<CallPtr> calls_;
  std::list<ReadPtr> reads_;
  std::size_t bytes_ = 0;  // of calls_' requests
  std::shared_ptr<std::size_t> forwarded_here_ = std::make_shared<std::size_t>(0);  // answers may outlive this
  Counter forwarded_;
  Counter waited_;
  net::Timer timer_;
};

}  // namespace mesh::server
