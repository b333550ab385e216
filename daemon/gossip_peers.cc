#include "daemon/gossip_peers.h"

#include <algorithm>

#include "agent/record_file.h"
#include "base/message.h"
#include "gossip/driver.h"

namespace mesh::daemon {

#define MESH_GOSSIP_PEERS_FIELDS(F)                                        \
  F(1, std::string, cluster_id, "ClusterID", "UUID")                       \
  F(2, ListOf<std::string>, peers, "Peers", "ADDRESS:PORT where they gossip")
struct GossipPeers {
  MESH_MESSAGE(GossipPeers, MESH_GOSSIP_PEERS_FIELDS)
};
MESH_MESSAGE_TABLE(GossipPeers, MESH_GOSSIP_PEERS_FIELDS)

namespace {

constexpr agent::RecordFileKind kKind{.magic = "meshpeer", .version = 1};

}  // namespace

std::vector<net::Address> gossip_seeds(const SeedSources& sources) {
  std::vector<net::Address> out;
  const auto add = [&](net::Address seed) {
    const bool new_one = std::find(out.begin(), out.end(), seed) == out.end();
    if (new_one && seed != sources.own && out.size() < kGossipSeedsMax) out.push_back(seed);
  };
  for (const std::string& server : sources.servers) {
    if (const auto rpc = net::Address::parse(server); rpc.ok()) add({rpc->ip, sources.port});
  }
  for (const std::string& text : sources.join) {
    if (const auto ip = net::IpAddress::parse(text); ip.ok()) add({*ip, sources.port});
    else if (const auto address = net::Address::parse(text); address.ok()) add(*address);
  }
  for (const net::Address& peer : sources.known) add(peer);
  return out;
}

std::vector<net::Address> peers_to_keep(std::vector<gossip::MemberView> members) {
  std::erase_if(members, [](const gossip::MemberView& member) { return gossip::gone(member.state) || !member.address.valid(); });
  std::stable_sort(members.begin(), members.end(), [](const gossip::MemberView& a, const gossip::MemberView& b) {
    const bool a_server = a.attributes.role == gossip::MemberRole::Server;
    const bool b_server = b.attributes.role == gossip::MemberRole::Server;
    return a_server != b_server ? a_server : a.changed < b.changed;
  });
  members.resize(std::min(members.size(), kGossipPeersKept));
  std::vector<net::Address> out;
  for (const gossip::MemberView& member : members) out.push_back(gossip::from_peer(member.address));
  return out;
}

Bytes encode_gossip_peers(const std::vector<net::Address>& peers, const std::string& cluster_id) {
  GossipPeers record;
  record.cluster_id = cluster_id;
  for (const net::Address& peer : peers) record.peers.push_back(peer.to_string());
  agent::RecordFileWriter writer(kKind);
  writer.add(encode(record));
  return writer.finish();
}

Result<std::vector<net::Address>> parse_gossip_peers(ByteView file, std::string_view cluster_id) {
  MESH_TRY(reader, agent::RecordFileReader::open(kKind, file));
  MESH_TRY(bytes, reader.next());
  if (!bytes) return error(Code::Corrupt, "no record");
  MESH_TRY(record, decode<GossipPeers>(*bytes));
  MESH_TRY(more, reader.next());
  if (more) return error(Code::Corrupt, "more than one record");
  if (record.cluster_id != cluster_id) return error(Code::Precondition, "of cluster {}", record.cluster_id);
  std::vector<net::Address> out;
  for (const std::string& text : record.peers) {
    MESH_TRY(peer, net::Address::parse(text));
    out.push_back(peer);
  }
  return out;
}

}  // namespace mesh::daemon
