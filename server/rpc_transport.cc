#include "server/rpc_transport.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/log.h"

namespace mesh::server {

struct RpcTransport::Peer {
  RaftPeer row;            // as the table has it, or as the opening of a guest said
  bool guest = false;      // the table does not know it (yet)
  net::Endpoint address;   // the row's, or what an opening has said since
  std::unique_ptr<net::RpcDialer> dialer;
  std::array<std::unique_ptr<RaftLaneSender>, kRaftLanes> lanes;

  void move_to(const net::Endpoint& where) {
    if (address == where) return;
    address = where;
    for (auto& lane : lanes) lane->set_address(where);
  }
};

RpcTransport::RpcTransport(Parts parts, Options options)
    : parts_(std::move(parts)),
      options_(std::move(options)),
      rng_(options_.seed),
      metrics_(options_.metrics),
      inbound_(parts_.loop, options_.cluster_id, options_.self, metrics_, *this) {}

RpcTransport::~RpcTransport() = default;

void RpcTransport::serve(net::RpcServer& server) {
  server.handle_stream({kRaftPath}, [this](net::RpcRequest request, std::unique_ptr<net::RpcServerStream> stream) {
    inbound_.accept(std::move(request), std::move(stream));
  });
}

void RpcTransport::send(raft::Message message) {
  const auto found = peers_.find(message.to);
  if (found == peers_.end()) return metrics_.unknown_peer.add();
  const RaftLane lane = raft::is_urgent(message) ? RaftLane::Urgent : RaftLane::Bulk;
  found->second->lanes[index_of(lane)]->send(message);
}

// --- who is where

void RpcTransport::set_peers(const std::vector<RaftPeer>& peers) {
  if (!parts_.dialer) return;
  const auto listed = [&](raft::ServerId id) {
    return std::any_of(peers.begin(), peers.end(), [&](const RaftPeer& peer) { return peer.server_id == id; });
  };
  for (auto next = peers_.begin(); next != peers_.end();) {
    const auto each = next++;
    if (each->second->guest || listed(each->first)) continue;
    parts_.loop.destroy_later(std::move(each->second));  // perhaps one of its callbacks led here
    peers_.erase(each);
  }
  for (const RaftPeer& peer : peers) {
    if (peer.server_id == options_.self) continue;
    const auto known = peers_.find(peer.server_id);
    if (known != peers_.end() && !known->second->guest && known->second->row == peer) continue;
    if (known != peers_.end() && known->second->row.node_id != peer.node_id) {
      parts_.loop.destroy_later(std::move(known->second));
      peers_.erase(known);
    }
    Peer& made = put(peer);
    made.guest = false;
    made.row = peer;
    if (peer.address != net::Endpoint()) made.move_to(peer.address);
  }
}

RpcTransport::Peer& RpcTransport::put(const RaftPeer& peer) {
  auto& slot = peers_[peer.server_id];
  if (slot != nullptr) return *slot;
  slot = std::make_unique<Peer>();
  slot->row = peer;
  slot->dialer = parts_.dialer(peer.node_id);
  for (const RaftLane lane : {RaftLane::Urgent, RaftLane::Bulk}) {
    slot->lanes[index_of(lane)] =
        std::make_unique<RaftLaneSender>(RaftLaneSender::Parts{parts_.loop, *slot->dialer, metrics_}, rng_.fork(),
                                         opening_to(peer.server_id, lane), RaftLaneOptions::of(lane));
  }
  slot->move_to(peer.address);
  return *slot;
}

RaftOpening RpcTransport::opening_to(raft::ServerId server, RaftLane lane) const {
  RaftOpening opening;
  opening.version = kRaftStreamVersion;
  opening.cluster_id = options_.cluster_id;
  opening.from = options_.self;
  opening.to = server;
  opening.address = options_.address;
  opening.lane = lane;
  return opening;
}

// The row decides whose a server id is; until it is here, the first node that showed up under it.
Status RpcTransport::admit(const RaftOpening& opening, const std::string& node_id) {
  if (!parts_.dialer) return error(Code::Precondition, "this server is for itself");
  MESH_TRY_STATUS(parts_.check_member(node_id));
  MESH_TRY(address, net::Address::parse(opening.address));
  const auto known = peers_.find(opening.from);
  if (known != peers_.end()) {
    if (known->second->row.node_id != node_id) {
      return error(Code::Denied, "server {} is node {}, not {}", opening.from.value(), known->second->row.node_id, node_id);
    }
    known->second->move_to(address);
    return {};
  }
  if (guests() >= kGuestsMax) return error(Code::Overloaded, "more than {} servers that are not in the table", kGuestsMax);
  LOG_INFO("a server that is not in the table speaks to us", {"server", opening.from}, {"node", node_id}, {"address", opening.address});
  put({opening.from, node_id, address}).guest = true;
  return {};
}

void RpcTransport::gone(raft::ServerId server) {
  const auto found = peers_.find(server);
  if (found == peers_.end() || !found->second->guest) return;
  parts_.loop.destroy_later(std::move(found->second));
  peers_.erase(found);
}

std::size_t RpcTransport::guests() const {
  return static_cast<std::size_t>(std::count_if(peers_.begin(), peers_.end(), [](const auto& each) { return each.second->guest; }));
}

// --- what others ask

void RpcTransport::set_address(std::string address) {
  if (address == options_.address) return;
  options_.address = std::move(address);
  renew();
}

void RpcTransport::renew() {
  for (auto& [id, peer] : peers_) {
    for (auto& lane : peer->lanes) lane->renew(options_.address);
  }
}

std::string RpcTransport::address_of(raft::ServerId server) const {
  if (server == options_.self) return options_.address;
  const auto found = peers_.find(server);
  return found == peers_.end() ? "" : found->second->address.to_string();
}

net::RpcChannel* RpcTransport::channel_to(raft::ServerId server) {
  const auto found = peers_.find(server);
  return found == peers_.end() ? nullptr : &found->second->lanes[index_of(RaftLane::Bulk)]->channel();
}

const RaftLaneSender* RpcTransport::lane_to(raft::ServerId server, RaftLane lane) const {
  const auto found = peers_.find(server);
  return found == peers_.end() ? nullptr : found->second->lanes[index_of(lane)].get();
}

}  // namespace mesh::server
