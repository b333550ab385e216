// RpcTransport: Raft messages between servers, over the server RPC (docs/formats/raft-messages.md, "The stream").
//
//   to each other server two lanes (raft_lane.h), urgent and bulk, dialled by us
//   from each other server two streams (raft_inbound.h), dialled by it
//
// Where a server is comes from the table of servers (set_peers), and, fresher than that, from the opening of a stream that
// this server's node has proven to be its own: a server with an old state, or none, answers to where it was spoken to.
//
// A server that the table does not know is a guest for as long as a stream of its stands.
//
// Thread: the raft loop. A cluster of one costs nothing: no peer, no connection. Limits: kGuestsMax, the lanes'; the table's.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/rng.h"
#include "net/address.h"
#include "net/rpc_dial.h"
#include "server/raft_inbound.h"
#include "server/raft_lane.h"
#include "server/raft_metrics.h"
#include "server/raft_transport.h"

namespace mesh::server {

struct RaftPeer {
  raft::ServerId server_id;
  std::string node_id;
  net::Endpoint address;  // default: it has not told one; it answers once it has been heard
  friend bool operator==(const RaftPeer&, const RaftPeer&) = default;
};

class RpcTransport final : public RaftTransport, private RaftInbound::Observer {
 public:
  static constexpr std::size_t kGuestsMax = 16;

  struct Options {
    std::string cluster_id;
    raft::ServerId self;
    std::string address;  // ADDRESS:PORT of our RPC, as others reach it
    std::uint64_t seed = 0;
    MetricRegistry* metrics = nullptr;
  };
  struct Parts {
    net::Loop& loop;
    // Connections to the server of this node only. Null: none can be made (a cluster of one).
    std::function<std::unique_ptr<net::RpcDialer>(std::string node_id)> dialer;
    // Whether this node may be a server at all, as far as is known here.
    std::function<Status(const std::string& node_id)> check_member;
    std::function<void(raft::Message)> receive;
  };
  RpcTransport(Parts parts, Options options);
  ~RpcTransport() override;

  void serve(net::RpcServer& server);

  void send(raft::Message message) override;

  // The servers of the table; ourselves among them or not. Those that are not in it any more are forgotten.
  void set_peers(const std::vector<RaftPeer>& peers);
  // Where others reach us from now on.
  void set_address(std::string address);
  // Our certificate or the roots have changed: connections are made anew, one by one.
  void renew();
  // Ends what comes from this node: it was removed.
  void drop(std::string_view node_id) { inbound_.drop(node_id); }

  // Where a server is; empty if unknown. Ours, too.
  [[nodiscard]] std::string address_of(raft::ServerId server) const;
  // For calls to another server, on the connection that bulk uses; null: unknown server. Until the next set_peers().
  [[nodiscard]] net::RpcChannel* channel_to(raft::ServerId server);
  [[nodiscard]] const RaftLaneSender* lane_to(raft::ServerId server, RaftLane lane) const;  // null: unknown server
  [[nodiscard]] std::size_t streams() const { return inbound_.streams(); }
  [[nodiscard]] std::size_t guests() const;

 private:
  struct Peer;

  Peer& put(const RaftPeer& peer);
  Status admit(const RaftOpening& opening, const std::string& node_id) override;
  void receive(raft::Message message) override { parts_.receive(std::move(message)); }
  void gone(raft::ServerId server) override;
  [[nodiscard]] RaftOpening opening_to(raft::ServerId server, RaftLane lane) const;

  Parts parts_;
  Options options_;
  Rng rng_;
  RaftMetrics metrics_;
  std::map<raft::ServerId, std::unique_ptr<Peer>> peers_;
  RaftInbound inbound_;
};

}  // namespace mesh::server
