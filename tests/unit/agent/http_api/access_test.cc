// Who may write through the API, and what a foreign page may not.
#include "tests/unit/agent/http_api/api_fixture.h"

namespace mesh::agent {
namespace {

using net::HttpMethod;

net::HttpHeaders with(std::string name, std::string value) {
  net::HttpHeaders headers;
  headers.add(std::move(name), std::move(value));
  return headers;
}

constexpr const char* kWeb = R"({"Name":"web","Port":8080})";
constexpr const char* kRegister = "/v1/agent/service/register";

}  // namespace

TEST_CASE("under default deny writing by TCP needs a token that the servers know") {
  ApiFixture at;
  at.set_default(model::IntentionAction::Deny);
  const auto refused = at.put(kRegister, kWeb);
  EXPECT_EQ(refused.status, 403);
  EXPECT(refused.body.find("X-Consul-Token") != std::string::npos);
  EXPECT_EQ(at.put("/v1/kv/a", "1").status, 403);
  EXPECT_EQ(at.del("/v1/kv/a").status, 403);
  EXPECT(at.commands.empty());
  EXPECT(at.local.services().empty());
  EXPECT_EQ(at.get("/v1/agent/services").status, 200);

  const auto put = [&](net::HttpHeaders headers) {
    return at.call({.method = HttpMethod::Put, .target = kRegister, .body = kWeb, .headers = std::move(headers)}).status;
  };
  EXPECT_EQ(put(with("X-Consul-Token", "wrong")), 403);
  EXPECT_EQ(put(with("Authorization", "Bearer wrong")), 403);
  EXPECT(at.local.services().empty());
  EXPECT_EQ(put(with("X-Consul-Token", std::string(kGoodToken))), 200);
  EXPECT_EQ(put(with("Authorization", "Bearer " + std::string(kGoodToken))), 200);
  EXPECT_EQ(at.put("/v1/agent/service/deregister/web?token=" + std::string(kGoodToken)).status, 200);
}

TEST_CASE("the token travels with a write to the servers, who decide") {
  ApiFixture at;
  at.set_default(model::IntentionAction::Deny);
  at.next_result.applied = true;
  EXPECT_EQ(at.call({.method = HttpMethod::Put, .target = "/v1/kv/a", .body = "1",
                     .headers = with("X-Consul-Token", std::string(kGoodToken))}).status, 200);
  EXPECT_EQ(at.command_token, kGoodToken);
}

TEST_CASE("the daemon's own user may write through the socket without a token") {
  ApiFixture at;
  at.set_default(model::IntentionAction::Deny);
  EXPECT_EQ(at.call({.method = HttpMethod::Put, .target = kRegister, .body = kWeb, .by_socket = true}).status, 200);
  EXPECT_EQ(at.call({.method = HttpMethod::Put, .target = "/v1/agent/leave", .by_socket = true}).status, 200);
  EXPECT(at.left);
}

TEST_CASE("trust in a socket's caller is root, the daemon's user or the trusted group") {
  const net::HttpRequest request;
  const auto trusted = [&](net::PeerCredentials who, std::optional<gid_t> group) {
    net::HttpPeer peer;
    peer.credentials = std::move(who);
    return caller_of(request, {}, peer, {.trusted_group = group, .domain = "mesh"}).trusted;
  };
  EXPECT(trusted({.pid = 1, .uid = 0, .gid = 0}, std::nullopt));
  EXPECT(!trusted({.pid = 1, .uid = 4711, .gid = 4711}, std::nullopt));
  EXPECT(!trusted({.pid = 1, .uid = 4711, .gid = 4711}, 9));
  EXPECT(trusted({.pid = 1, .uid = 4711, .gid = 9}, 9));
  EXPECT(trusted({.pid = 1, .uid = 4711, .gid = 4711, .groups = {7, 9}}, 9));
  EXPECT(!caller_of(request, {}, {}, {.trusted_group = 0, .domain = "mesh"}).trusted);  // TCP
}

TEST_CASE("a page that DNS turned onto the loopback address is refused") {
  const auto accepted = [](const char* host, const char* local) {
    net::HttpRequest request;
    request.headers.add("Host", host);
    net::HttpPeer peer;
    peer.local = net::Endpoint::parse(local).value();
    return check_host(request, peer, {.trusted_group = {}, .domain = "mesh"}).ok();
  };
  for (const char* good : {"127.0.0.1:8500", "localhost:8500", "localhost", "[::1]:8500", "consul:8500", "host-a.node.mesh",
                           "consul.service.consul:8500", "a.localhost", "host-a.node.mesh."})
    EXPECT(accepted(good, "127.0.0.1:8500"));
  for (const char* bad : {"evil.example", "evil.example:8500", "mesh.evil.example", "notmesh.mesh.example", "xmesh.org"}) {
    EXPECT(!accepted(bad, "127.0.0.1:8500"));
    EXPECT(!accepted(bad, "[::1]:8500"));
    EXPECT(accepted(bad, "10.0.0.1:8500"));  // whoever opened the API to the network chose its names
    EXPECT(accepted(bad, "unix:/run/meshd/agent.sock"));
  }
}

TEST_CASE("a join token is made by the servers and shown as they tell it") {
  ApiFixture at;
  const auto made = at.call({.method = HttpMethod::Post, .target = "/v1/mesh/join-tokens",
                             .body = R"({"Kind":"server","Services":["web-*"],"Uses":3,"Life":"1h"})"});
  EXPECT_EQ(made.status, 200);
  EXPECT_EQ(json_of(made).find("Text")->string(), "mesh1.text");
  REQUIRE_EQ(at.join_tokens.size(), 1U);
  EXPECT_EQ(at.join_tokens[0].kind, model::JoinKind::Server);
  EXPECT_EQ(at.join_tokens[0].uses, 3U);
  EXPECT_EQ(at.join_tokens[0].life, hours(1));
  EXPECT_EQ(at.call({.method = HttpMethod::Post, .target = "/v1/mesh/join-tokens", .body = R"({"Kind":"boss"})"}).status, 400);
  EXPECT_EQ(json_of(at.get("/v1/mesh/cluster")).find("DefaultAction")->string(), "allow");
}

}  // namespace mesh::agent
