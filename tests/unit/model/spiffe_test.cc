#include "model/spiffe.h"

#include <string>
#include <vector>

#include "tests/test.h"

namespace mesh::model {
namespace {

constexpr std::string_view kDomain = "c0000000-0000-4000-8000-000000000000.mesh";
constexpr std::string_view kNode = "11111111-2222-4333-8444-555555555555";

TEST_CASE("identities of the three kinds are written and read back") {
  const SpiffeId ids[] = {{SpiffeId::Kind::Service, std::string(kDomain), "dc1", "web"},
                          {SpiffeId::Kind::Agent, std::string(kDomain), "dc1", std::string(kNode)},
                          {SpiffeId::Kind::Server, std::string(kDomain), "dc1", std::string(kNode)}};
  const char* const paths[] = {"/ns/default/dc/dc1/svc/web",
                               "/agent/client/dc/dc1/id/11111111-2222-4333-8444-555555555555",
                               "/agent/server/dc/dc1/id/11111111-2222-4333-8444-555555555555"};
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(ids[i].uri(), "spiffe://" + std::string(kDomain) + paths[i]);
    EXPECT(SpiffeId::parse(ids[i].uri()).value() == ids[i]);
  }
}

TEST_CASE("an identity has one spelling, in lower case") {
  const SpiffeId id{SpiffeId::Kind::Service, trust_domain("C0000000-0000-4000-8000-000000000000", "Mesh"), "DC1", "Web"};
  EXPECT_EQ(id.uri(), "spiffe://" + std::string(kDomain) + "/ns/default/dc/dc1/svc/web");
  EXPECT_FALSE(SpiffeId::parse("spiffe://" + std::string(kDomain) + "/ns/default/dc/dc1/svc/Web").ok());
}

TEST_CASE("an identity belongs to a cluster whatever the case of its datacenter's name") {
  const std::vector<std::string> uris = {SpiffeId{SpiffeId::Kind::Agent, std::string(kDomain), "DC1", std::string(kNode)}.uri()};
  for (const char* datacenter : {"dc1", "DC1"}) {
    const auto id = identity_in(uris, {std::string(kDomain), datacenter});
    REQUIRE(id.ok());
    EXPECT_EQ(id->name, kNode);
  }
  EXPECT_FALSE(identity_in(uris, {std::string(kDomain), "dc2"}).ok());
  EXPECT_FALSE(identity_in(uris, {"d0000000-0000-4000-8000-000000000000.mesh", "dc1"}).ok());
  EXPECT_FALSE(identity_in({}, {std::string(kDomain), "dc1"}).ok());
  EXPECT_FALSE(identity_in(std::vector<std::string>{uris[0], uris[0]}, {std::string(kDomain), "dc1"}).ok());
}

TEST_CASE("what is no identity is refused") {
  const std::string domain(kDomain);
  for (const std::string& uri : {
           std::string(), std::string("spiffe://"), "http://" + domain + "/ns/default/dc/dc1/svc/web",
           std::string("spiffe://mesh/ns/default/dc/dc1/svc/web"), "spiffe://" + domain,
           "spiffe://" + domain + "/ns/other/dc/dc1/svc/web", "spiffe://" + domain + "/ns/default/dc/dc1/svc/",
           "spiffe://" + domain + "/ns/default/dc//svc/web", "spiffe://" + domain + "/ns/default/dc/dc1/svc/web/x",
           "spiffe://" + domain + "/ns/default/dc/a/b/svc/web", "spiffe://" + domain + "/ns/default/dc/dc1/svc/web?x",
           "spiffe://" + domain + "/ns/default/dc/dc1/svc/a%20b", "spiffe://" + domain + "/agent/client/dc/dc1/id/host-a",
           "spiffe://" + domain + "/agent/other/dc/dc1/id/" + std::string(kNode),
           "spiffe://" + domain + ":1/ns/default/dc/dc1/svc/web", "spiffe://" + domain + "/ns/default/dc/dc1/svc/query",
           "spiffe://" + std::string(600, 'a')}) {
    EXPECT_FALSE_MESSAGE(SpiffeId::parse(uri).ok(), uri);
  }
}

TEST_CASE("server names carry service, datacenter and trust domain") {
  EXPECT_EQ(service_sni("Web", "dc1", kDomain), "web.dc1." + std::string(kDomain));
  EXPECT_EQ(server_sni("dc1", kDomain), "server.dc1." + std::string(kDomain));
  EXPECT(parse_sni("WEB.dc1." + std::string(kDomain) + ".").value() == Sni{"web", "dc1", std::string(kDomain)});
  const std::string deep = "c0000000-0000-4000-8000-000000000000.mesh.example.org";
  EXPECT_EQ(parse_sni("web.dc1." + deep)->trust_domain, deep);
}

TEST_CASE("what is no server name of a mesh is refused") {
  for (const std::string& name : {std::string(), std::string("web"), std::string("web.dc1"), std::string("web.dc1.mesh"),
                                  "web." + std::string(kDomain), "." + std::string(kDomain),
                                  "a_b.dc1." + std::string(kDomain), "web..dc1." + std::string(kDomain),
                                  "web.dc1." + std::string(kDomain) + "..", std::string(1000, 'a') + "." + std::string(kDomain)}) {
    EXPECT_FALSE_MESSAGE(parse_sni(name).ok(), name);
  }
}

}  // namespace
}  // namespace mesh::model
