#include "server/peer.h"

#include "model/spiffe.h"
#include "tests/test.h"

namespace mesh::server {
namespace {

constexpr std::string_view kNode = "11111111-0000-4000-8000-000000000000";
const std::string kDomain = "c0000000-0000-4000-8000-000000000000.mesh";
const model::ClusterName kCluster{kDomain, "dc1"};

Result<net::RpcPeer> peer_with(std::vector<std::string> uris) {
  net::CertificateInfo certificate;
  certificate.uris = std::move(uris);
  return peer_of(kCluster, &certificate);
}

std::string uri(model::SpiffeId::Kind kind, std::string name, std::string domain = kDomain, std::string dc = "dc1") {
  return model::SpiffeId{kind, std::move(domain), std::move(dc), std::move(name)}.uri();
}

TEST_CASE("agents and servers of the cluster are known by the id in their certificate") {
  using Kind = model::SpiffeId::Kind;
  const net::RpcPeer agent = peer_with({uri(Kind::Agent, std::string(kNode))}).value();
  EXPECT((agent.kind == net::RpcPeer::Kind::Agent && agent.id == kNode));
  const net::RpcPeer server = peer_with({uri(Kind::Server, std::string(kNode))}).value();
  EXPECT((server.kind == net::RpcPeer::Kind::Server && server.id == kNode));
  const net::RpcPeer joining = peer_of(kCluster, nullptr).value();
  EXPECT((joining.kind == net::RpcPeer::Kind::Joining && joining.id.empty()));
}

TEST_CASE("certificates of services, other meshes and other datacenters, and odd ones are refused") {
  using Kind = model::SpiffeId::Kind;
  const std::string node(kNode);
  const std::vector<std::string> bad[] = {
      {},
      {"spiffe://" + kDomain},  // the root's own
      {"https://example.org/"},
      {uri(Kind::Agent, node, "d0000000-0000-4000-8000-000000000000.mesh")},
      {uri(Kind::Agent, node, "c0000000-0000-4000-8000-000000000000.other")},
      {uri(Kind::Agent, node, kDomain, "dc2")},
      {uri(Kind::Agent, node), uri(Kind::Server, node)},
  };
  for (const auto& uris : bad) {
    const Result<net::RpcPeer> peer = peer_with(uris);
    REQUIRE_FALSE(peer.ok());
    EXPECT(outcome_of(peer) == Code::Unauthenticated);
  }
  const Result<net::RpcPeer> service = peer_with({uri(Kind::Service, "web")});
  REQUIRE_FALSE(service.ok());
  EXPECT(outcome_of(service) == Code::Denied);
}

}  // namespace
}  // namespace mesh::server
