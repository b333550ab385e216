// Reads of the agent and of the catalog over HTTP.
#include <algorithm>

#include "tests/unit/agent/http_api/api_fixture.h"

namespace mesh::agent {
namespace {

std::string text_of(const JsonValue& object, std::string_view key) {
  const JsonValue* value = object.find(key);
  return value != nullptr ? std::string(value->string().value_or("(no text)")) : "(absent)";
}

std::vector<std::string> texts_of(const JsonValue& list, std::string_view key) {
  std::vector<std::string> out;
  for (const JsonValue& item : list.items()) out.push_back(text_of(item, key));
  return out;
}

using Texts = std::vector<std::string>;

}  // namespace

TEST_CASE("health/service has node, service and checks as Consul's clients read them") {
  ApiFixture at;
  at.put_example();
  const auto response = at.get("/v1/health/service/web");
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(header_of(response, "Content-Type"), "application/json");
  const JsonValue json = json_of(response);
  REQUIRE_EQ(json.items().size(), 2U);
  const JsonValue& entry = json.items()[1];
  EXPECT_EQ(text_of(*entry.find("Node"), "ID"), kHostB);
  EXPECT_EQ(text_of(*entry.find("Node"), "Node"), "host-b");
  EXPECT_EQ(text_of(*entry.find("Node"), "Address"), "10.0.0.2");
  EXPECT_EQ(text_of(*entry.find("Service"), "ID"), "web-2");
  EXPECT_EQ(text_of(*entry.find("Service"), "Service"), "web");
  EXPECT_EQ(entry.find("Service")->find("Port")->integer(), 8080);
  EXPECT_EQ(entry.find("Service")->find("Weights")->find("Passing")->integer(), 1);
  const JsonList& checks = entry.find("Checks")->items();
  REQUIRE_EQ(checks.size(), 2U);
  EXPECT_EQ(text_of(checks[0], "CheckID"), "serfHealth");
  EXPECT_EQ(text_of(checks[1], "Status"), "critical");
  EXPECT_EQ(text_of(checks[1], "Node"), "host-b");
  EXPECT_EQ(text_of(checks[1], "ServiceName"), "web");
  EXPECT_EQ(checks[1].find("ServiceTags")->items().size(), 2U);
}

TEST_CASE("reads of the catalog carry index, known leader and last contact") {
  ApiFixture at;
  const auto empty = at.get("/v1/catalog/nodes");
  EXPECT_EQ(empty.body, "[]");
  EXPECT_EQ(header_of(empty, "X-Consul-Index"), "1");
  at.put_example();
  const auto response = at.get("/v1/catalog/nodes?stale");
  EXPECT_EQ(header_of(response, "X-Consul-Index"), std::to_string(at.catalog.nodes_index()));
  EXPECT_EQ(header_of(response, "X-Consul-KnownLeader"), "true");
  EXPECT_FALSE(header_of(response, "X-Consul-LastContact").empty());
  EXPECT_EQ(header_of(at.get("/v1/agent/self"), "X-Consul-Index"), "");
}

TEST_CASE("passing, tag and node-meta select instances") {
  ApiFixture at;
  at.put_example();
  const auto count = [&](const std::string& query) {
    return json_of(at.get("/v1/health/service/web?" + query)).items().size();
  };
  EXPECT_EQ(count(""), 2U);
  EXPECT_EQ(count("passing"), 1U);
  EXPECT_EQ(count("passing=1"), 1U);
  EXPECT_EQ(count("passing=0"), 2U);
  EXPECT_EQ(count("tag=v1"), 1U);
  EXPECT_EQ(count("tag=V1"), 1U);
  EXPECT_EQ(count("tag=blue"), 2U);
  EXPECT_EQ(count("tag=blue&tag=v2"), 1U);
  EXPECT_EQ(count("tag=v1&tag=v2"), 0U);
  EXPECT_EQ(count("node-meta=rack:r1"), 1U);
  EXPECT_EQ(count("node-meta=rack:r1&node-meta=x:y"), 0U);
  EXPECT_EQ(count("near=_agent"), 2U);
  EXPECT_EQ(json_of(at.get("/v1/health/service/WEB")).items().size(), 2U);
  EXPECT_EQ(at.get("/v1/health/service/none").body, "[]");
}

TEST_CASE("catalog reads have Consul's shapes") {
  ApiFixture at;
  at.put_example();
  EXPECT_EQ(texts_of(json_of(at.get("/v1/catalog/nodes")), "Node"), Texts{"host-a", "host-b"});
  EXPECT_EQ(texts_of(json_of(at.get("/v1/catalog/nodes?node-meta=rack:r2")), "Node"), Texts{"host-b"});
  EXPECT_EQ(at.get("/v1/catalog/services").body, R"({"db":[],"web":["blue","v1","v2"]})");
  EXPECT_EQ(at.get("/v1/catalog/services?node-meta=rack:r2").body, R"({"web":["blue","v2"]})");
  EXPECT_EQ(at.get("/v1/catalog/datacenters").body, R"(["dc1"])");
  const JsonValue flat = json_of(at.get("/v1/catalog/service/web?tag=v1"));
  REQUIRE_EQ(flat.items().size(), 1U);
  EXPECT_EQ(text_of(flat.items()[0], "ID"), kHostA);
  EXPECT_EQ(text_of(flat.items()[0], "ServiceID"), "web-1");
  EXPECT_EQ(text_of(flat.items()[0], "ServiceName"), "web");
  EXPECT_EQ(text_of(flat.items()[0], "ServiceAddress"), "");
  EXPECT_EQ(flat.items()[0].find("ServicePort")->integer(), 8080);
  const JsonValue node = json_of(at.get("/v1/catalog/node/host-a"));
  EXPECT_EQ(text_of(*node.find("Node"), "Node"), "host-a");
  EXPECT_EQ(node.find("Services")->members().size(), 2U);
  EXPECT_EQ(at.get("/v1/catalog/node/none").body, "null");
  EXPECT_EQ(json_of(at.get("/v1/catalog/node-services/host-a")).find("Services")->items().size(), 2U);
}

TEST_CASE("health of nodes, of a service and by state") {
  ApiFixture at;
  at.put_example();
  EXPECT_EQ(texts_of(json_of(at.get("/v1/health/node/host-b")), "CheckID"), Texts{"serfHealth", "web-check"});
  EXPECT_EQ(texts_of(json_of(at.get("/v1/health/checks/web")), "CheckID"), Texts{"web-check"});
  EXPECT_EQ(json_of(at.get("/v1/health/state/any")).items().size(), 3U);
  EXPECT_EQ(texts_of(json_of(at.get("/v1/health/state/critical")), "CheckID"), Texts{"web-check"});
  EXPECT_EQ(at.get("/v1/health/state/warning").body, "[]");
  const auto wrong = at.get("/v1/health/state/broken");
  EXPECT_EQ(wrong.status, 400);
  EXPECT_EQ(wrong.body, "state: \"broken\" is none of any, passing, warning, critical\n");
}

TEST_CASE("agent/self and members name the node") {
  ApiFixture at;
  at.put_example();
  const JsonValue self = json_of(at.get("/v1/agent/self"));
  EXPECT_EQ(text_of(*self.find("Config"), "Datacenter"), "dc1");
  EXPECT_EQ(text_of(*self.find("Config"), "NodeName"), "host-a");
  EXPECT_EQ(text_of(*self.find("Member"), "Addr"), "10.0.0.1");
  at.put_check(kHostB, "serfHealth", "", model::CheckStatus::Critical);
  at.publish();
  const JsonValue members = json_of(at.get("/v1/agent/members"));
  REQUIRE_EQ(members.items().size(), 2U);
  EXPECT_EQ(members.items()[0].find("Status")->integer(), 1);
  EXPECT_EQ(members.items()[1].find("Status")->integer(), 4);
}

TEST_CASE("pretty indents and ends with a newline") {
  ApiFixture at;
  EXPECT_EQ(at.get("/v1/catalog/datacenters?pretty").body, "[\n    \"dc1\"\n]\n");
}

TEST_CASE("wrong parameters are refused by name") {
  ApiFixture at;
  at.put_example();
  const auto refused = [&](const std::string& target) {
    const auto response = at.get(target);
    return fmt::format("{} {}", response.status, response.body.substr(0, response.body.find(':')));
  };
  EXPECT_EQ(refused("/v1/catalog/nodes?index=x"), "400 index");
  EXPECT_EQ(refused("/v1/catalog/nodes?index=-1"), "400 index");
  EXPECT_EQ(refused("/v1/catalog/nodes?index=1&wait=soon"), "400 wait");
  EXPECT_EQ(refused("/v1/catalog/nodes?stale&consistent"), "400 stale, consistent");
  EXPECT_EQ(refused("/v1/catalog/nodes?node-meta=x"), "400 node-meta");
  EXPECT_EQ(refused("/v1/catalog/nodes?filter=Node==x"), "400 filter");
  EXPECT_EQ(at.get("/v1/catalog/nodes?%zz").status, 400);
}

TEST_CASE("another datacenter is 500 with Consul's words") {
  ApiFixture at;
  const auto response = at.get("/v1/catalog/nodes?dc=dc2");
  EXPECT_EQ(response.status, 500);
  EXPECT(response.body.starts_with("No path to datacenter"));
  EXPECT_EQ(at.get("/v1/catalog/nodes?dc=DC1").status, 200);
  EXPECT_EQ(at.get("/v1/status/leader?dc=dc2").status, 500);
}

TEST_CASE("an unknown path gets a near miss, a wrong method the allowed ones") {
  ApiFixture at;
  const auto unknown = at.get("/v1/catalog/node");
  EXPECT_EQ(unknown.status, 404);
  EXPECT(unknown.body.find("did you mean /v1/catalog/nodes?") != std::string::npos);
  const auto wrong = at.get("/v1/agent/check/pass/x");
  EXPECT_EQ(wrong.status, 405);
  EXPECT_EQ(header_of(wrong, "Allow"), "PUT");
  EXPECT_EQ(header_of(at.put("/v1/catalog/nodes"), "Allow"), "GET, HEAD");
  const auto options = at.call({.method = net::HttpMethod::Options, .target = "/v1/kv/a"});
  EXPECT_EQ(options.status, 200);
  EXPECT_EQ(header_of(options, "Allow"), "GET, HEAD, PUT, DELETE");
}

TEST_CASE("a default read fails when no server vouches for it, a stale one is answered") {
  ApiFixture at;
  at.put_example();
  at.servers_fail = true;
  const auto response = at.get("/v1/catalog/nodes");
  EXPECT_EQ(response.status, 500);
  EXPECT(response.body.starts_with("No cluster leader"));
  EXPECT_EQ(header_of(response, "X-Mesh-Error"), code_name(Code::Internal));
  EXPECT_EQ(at.get("/v1/catalog/nodes?stale").status, 200);
}

TEST_CASE("before the first catalog stale reads fail too, the agent's own do not") {
  ApiFixture at;
  at.ready = false;
  at.publish();
  EXPECT_EQ(at.get("/v1/catalog/nodes?stale").status, 500);
  EXPECT_EQ(at.get("/v1/agent/services").body, "{}");
}

TEST_CASE("a default read waits until the agent has what the servers have") {
  ApiFixture at;
  at.put_node(kHostA, "host-a", "10.0.0.1");
  at.barrier_index = at.catalog.index();
  const auto pending = at.start("/v1/catalog/nodes");
  REQUIRE(at.wait([&] { return at.waiting() == 1; }));
  at.publish();
  REQUIRE(at.wait([&] { return pending->done; }));
  EXPECT_EQ(json_of(*pending->response).items().size(), 1U);
}

TEST_CASE("status and metrics are answered") {
  ApiFixture at;
  EXPECT_EQ(at.get("/v1/status/leader").body, "\"127.0.0.1:8300\"");
  EXPECT_EQ(at.get("/v1/status/peers").body, R"(["127.0.0.1:8300","127.0.0.2:8300"])");
  const auto metrics = at.get("/metrics");
  EXPECT(header_of(metrics, "Content-Type").starts_with("text/plain; version=0.0.4"));
  EXPECT(metrics.body.find("meshd_http_requests_total 3") != std::string::npos);
}

}  // namespace mesh::agent
