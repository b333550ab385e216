// RaftInbound: the receiving half of the Raft transport: streams of other servers, and what may be believed of them.
//
//   a stream     comes over a connection of RpcPeer::Kind::Server; its opening names our cluster, us, and a server whose
//                node is the one that the certificate proves (Observer::admit)
//   a message    decodes, and is from the opening's server; any other one is dropped and counted
//
// A server's newer stream of a lane takes the place of its older one. Thread: the raft loop. The observer outlives it.
// Limit: kInboundStreamsMax.
#pragma once

#include <cstdint>
#include <list>
#include <memory>
#include <string>

#include "net/loop.h"
#include "net/rpc.h"
#include "raft/configuration.h"
#include "raft/message.h"
#include "server/raft_metrics.h"
#include "server/raft_stream.h"

namespace mesh::server {

class RaftInbound {
 public:
  static constexpr std::size_t kInboundStreamsMax = kRaftLanes * raft::kServersMax;

  class Observer {
   public:
    virtual ~Observer() = default;
    // May the node with this id speak for the opening's server? Errors: shown to the other side.
    virtual Status admit(const RaftOpening& opening, const std::string& node_id) = 0;
    virtual void receive(raft::Message message) = 0;
    // No stream of this server is left.
    virtual void gone(raft::ServerId server) = 0;
  };

  RaftInbound(net::Loop& loop, std::string cluster_id, raft::ServerId self, const RaftMetrics& metrics, Observer& observer);
  ~RaftInbound();
  RaftInbound(const RaftInbound&) = delete;
  RaftInbound& operator=(const RaftInbound&) = delete;

  void accept(net::RpcRequest request, std::unique_ptr<net::RpcServerStream> stream);
  // Ends the streams of a node that is no longer welcome.
  void drop(std::string_view node_id);

  [[nodiscard]] std::size_t streams() const { return streams_.size(); }

 private:
  class Stream;

  [[nodiscard]] Result<RaftOpening> check(const net::RpcRequest& request);
  void take(const Stream& from, ByteView bytes);
  void remove(const Stream& stream, Status why);
  void tell_if_gone(raft::ServerId server);

  net::Loop& loop_;
  std::string cluster_id_;
  raft::ServerId self_;
  const RaftMetrics& metrics_;
  Observer& observer_;
  std::list<std::unique_ptr<Stream>> streams_;
};

}  // namespace mesh::server
