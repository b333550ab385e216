#include "agent/proxy/peer.h"

#include "agent/proxy/caller.h"
#include "model/spiffe.h"
#include "net/tls/certificate.h"
#include "net/tls/identity.h"
#include "tests/test.h"
#include "tests/unit/proxy/same_subject_roots.h"

namespace mesh::proxy {

namespace {

const std::string kDomain = "5ad1e7c2-6a1c-4c0e-9a3e-0d6f0f1f8a01.mesh";
const std::string kNode = "0c7a7b52-9f2f-4b6e-8f10-3f6f58b5a0c1";
const model::ClusterName kHere{kDomain, "dc1"};

std::vector<std::string> uri(model::SpiffeId::Kind kind, std::string name, std::string domain = kDomain,
                             std::string dc = "dc1") {
  return {model::SpiffeId{kind, std::move(domain), std::move(dc), std::move(name)}.uri()};
}

using Kind = model::SpiffeId::Kind;

}  // namespace

TEST_CASE("only a service or a node of the same trust domain and datacenter may call") {
  EXPECT(check_caller(uri(Kind::Service, "web"), kHere).ok());
  EXPECT(check_caller(uri(Kind::Agent, kNode), kHere).ok());
  EXPECT(check_caller(uri(Kind::Server, kNode), kHere).ok());
  EXPECT_EQ(outcome_of(check_caller(uri(Kind::Service, "web", "5ad1e7c2-6a1c-4c0e-9a3e-0d6f0f1f8a02.mesh"), kHere)),
            Code::Unauthenticated);
  EXPECT_EQ(outcome_of(check_caller(uri(Kind::Service, "web", kDomain, "dc2"), kHere)), Code::Unauthenticated);
  EXPECT_FALSE(check_caller({}, kHere).ok());
  const std::vector<std::string> two = {uri(Kind::Service, "web")[0], uri(Kind::Service, "db")[0]};
  EXPECT_FALSE(check_caller(two, kHere).ok());
  const std::vector<std::string> other = {"https://web"};
  EXPECT_FALSE(check_caller(other, kHere).ok());
}

TEST_CASE("the called side must show the certificate of the service that is called") {
  EXPECT(check_called(uri(Kind::Service, "db"), kHere, "db").ok());
  EXPECT_FALSE(check_called(uri(Kind::Service, "web"), kHere, "db").ok());
  EXPECT_FALSE(check_called(uri(Kind::Agent, kNode), kHere, "db").ok());
  EXPECT_FALSE(check_called(uri(Kind::Service, "db", kDomain, "dc2"), kHere, "db").ok());
}

TEST_CASE("a caller is named as intentions name it") {
  ProxySnapshot snapshot;
  snapshot.trust_domain = kDomain;
  snapshot.datacenter = "dc1";
  snapshot.node_names = std::make_shared<const NodeNames>(NodeNames{{kNode, "host-a"}});
  EXPECT_EQ(*source_of(uri(Kind::Service, "web"), snapshot), "web");
  EXPECT_EQ(*source_of(uri(Kind::Agent, kNode), snapshot), "node/host-a");
  EXPECT_EQ(*source_of(uri(Kind::Server, kNode), snapshot), "node/host-a");
  const std::string unknown = "0c7a7b52-9f2f-4b6e-8f10-3f6f58b5a0c2";
  EXPECT_EQ(*source_of(uri(Kind::Agent, unknown), snapshot), "node/" + unknown);
}

TEST_CASE("an open connection's certificate counts until its node is removed or its root is gone") {
  const auto node_of = [](std::vector<std::string> uris, std::vector<std::string> names) {
    net::CertificateInfo certificate;
    certificate.uris = std::move(uris);
    certificate.dns_names = std::move(names);
    return peer_of(certificate, {}, kHere).node_id;
  };
  EXPECT_EQ(node_of(uri(Kind::Agent, kNode), {}), kNode);
  EXPECT_EQ(node_of(uri(Kind::Service, "web"), {model::service_sni("web", "dc1", kDomain), model::node_dns_name(kNode, "dc1", kDomain)}), kNode);
  EXPECT_EQ(node_of(uri(Kind::Service, "web"), {model::node_dns_name(kNode, "dc2", kDomain)}), "");
  EXPECT_EQ(node_of(uri(Kind::Service, "web"), {model::node_dns_name("web", "dc1", kDomain)}), "");

  const Peer peer{"key 1", kNode};
  const std::vector<Bytes> none, gone{"key 2", "key 1"};
  EXPECT_EQ(why_untrusted(peer, {none, {"another"}}), "");
  EXPECT_EQ(why_untrusted(peer, {none, {kNode}}), "its node was removed from the mesh");
  EXPECT_EQ(why_untrusted(peer, {gone, {}}), "its root is not trusted any more");
}

TEST_CASE("a server name gives the service, if it is of this domain and datacenter") {
  EXPECT_EQ(*service_of(model::service_sni("db", "dc1", kDomain), kHere), "db");
  EXPECT_EQ(outcome_of(service_of(model::service_sni("db", "dc2", kDomain), kHere)), Code::NotFound);
  EXPECT_FALSE(service_of("db", kHere).ok());
  EXPECT_FALSE(service_of("", kHere).ok());
}

TEST_CASE("a root is removed when its key is, whatever the subjects say") {
  const auto trust = [](const std::vector<std::string>& pems) { return *net::TrustBundle::from_pem(pems); };
  const auto both = trust({kRootA, kRootB});
  EXPECT_EQ(both->roots()[0].subject, both->roots()[1].subject);
  EXPECT(removed_roots(both.get(), both.get()).empty());
  EXPECT_EQ(removed_roots(both.get(), trust({kRootB}).get()), std::vector<Bytes>{both->roots()[0].key_hash});
  EXPECT(removed_roots(both.get(), trust({kRootB, kRootAgainA}).get()).empty());
  EXPECT(removed_roots(nullptr, both.get()).empty());
}

}  // namespace mesh::proxy
