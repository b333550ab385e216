#include "daemon/gossip_peers.h"

#include "gossip/driver.h"
#include "tests/test.h"

namespace mesh::daemon {
namespace {

constexpr const char* kCluster = "c0000000-0000-4000-8000-000000000000";

net::Address at(const std::string& text) { return net::Address::parse(text).value(); }

std::vector<std::string> texts(const std::vector<net::Address>& addresses) {
  std::vector<std::string> out;
  for (const net::Address& address : addresses) out.push_back(address.to_string());
  return out;
}

using Texts = std::vector<std::string>;

TEST_CASE("seeds: servers by their hosts, then join, then who was there last time; each once, not this host") {
  const Texts servers{"10.0.0.1:8300", "10.0.0.2:9300", "[fd00::1]:8300"};
  const Texts join{"10.0.0.2", "10.0.0.3:7000", "10.0.0.9", "fd00::2"};
  const std::vector<net::Address> known{at("10.0.0.1:8301"), at("10.0.0.4:8399")};
  EXPECT_EQ(texts(gossip_seeds({.servers = servers, .join = join, .known = known, .port = 8301, .own = at("10.0.0.9:8301")})),
            (Texts{"10.0.0.1:8301", "10.0.0.2:8301", "[fd00::1]:8301", "10.0.0.3:7000", "[fd00::2]:8301", "10.0.0.4:8399"}));
}

TEST_CASE("seeds that are no addresses are left out, and there are at most 64") {
  Texts servers{"", "host-a:8300", "10.0.0.1"};
  EXPECT(gossip_seeds({.servers = servers, .join = {}, .known = {}, .port = 8301, .own = {}}).empty());
  for (int i = 1; i <= 100; ++i) servers.push_back(fmt::format("10.0.0.{}:8300", i));
  EXPECT_EQ(gossip_seeds({.servers = servers, .join = {}, .known = {}, .port = 8301, .own = {}}).size(), kGossipSeedsMax);
}

gossip::MemberView member(const std::string& address, gossip::MemberState state, gossip::MemberRole role, Duration since) {
  gossip::MemberView out;
  out.address = gossip::to_peer(at(address));
  out.state = state;
  out.attributes.role = role;
  out.changed = MonoTime(since);
  return out;
}

TEST_CASE("kept are members that are there: servers first, then those that are well for longest") {
  using enum gossip::MemberState;
  using enum gossip::MemberRole;
  EXPECT_EQ(texts(peers_to_keep({member("10.0.0.1:1", Alive, Agent, seconds(9)), member("10.0.0.2:1", Alive, Agent, seconds(2)),
                                 member("10.0.0.3:1", Failed, Server, seconds(1)), member("10.0.0.4:1", Suspect, Server, seconds(8)),
                                 member("10.0.0.5:1", Left, Agent, seconds(1))})),
            (Texts{"10.0.0.4:1", "10.0.0.2:1", "10.0.0.1:1"}));
  const std::vector<gossip::MemberView> many(500, member("10.0.0.1:1", Alive, Agent, seconds(1)));
  EXPECT_EQ(peers_to_keep(many).size(), kGossipPeersKept);
}

TEST_CASE("the file is read back, and one of another cluster or damaged is refused") {
  const std::vector<net::Address> peers(kGossipPeersKept, at("[fd00:1111:2222:3333:4444:5555:6666:7777]:65535"));
  const Bytes file = encode_gossip_peers(peers, kCluster);
  EXPECT(file.size() <= kGossipPeersBytesMax);
  const auto read = parse_gossip_peers(file, kCluster);
  REQUIRE(read.ok());
  EXPECT_EQ(texts(*read), texts(peers));
  EXPECT(parse_gossip_peers(file, "another").error().code == Code::Precondition);
  for (std::size_t size = 0; size < file.size(); ++size) EXPECT_FALSE(parse_gossip_peers(file.substr(0, size), kCluster).ok());
  for (std::size_t i = 0; i < file.size(); ++i) {
    Bytes damaged = file;
    damaged[i] = static_cast<char>(damaged[i] ^ 0x20);
    EXPECT_FALSE(parse_gossip_peers(damaged, kCluster).ok());
  }
}

}  // namespace
}  // namespace mesh::daemon
