// Registrations, reports and the key-value store over HTTP.
#include "tests/unit/agent/http_api/api_fixture.h"

namespace mesh::agent {
namespace {

std::string line(const net::HttpResponse& response) { return fmt::format("{} {}", response.status, response.body); }

}  // namespace

TEST_CASE("a service is registered in both spellings and seen at once") {
  ApiFixture at;
  EXPECT_EQ(line(at.put("/v1/agent/service/register", R"({"ID":"web-1","Name":"web","Port":8080,"Tags":["v1"],
      "Kind":"","Connect":null,"Check":{"TTL":"10s"}})")), "200 ");
  EXPECT_EQ(line(at.put("/v1/agent/service/register",
                        R"({"name":"db","port":5432,"enable_tag_override":true,"checks":[{"ttl":"15s"}]})")), "200 ");
  const JsonValue services = json_of(at.get("/v1/agent/services"));
  REQUIRE_EQ(services.members().size(), 2U);
  EXPECT_EQ(services.find("web-1")->find("Service")->string(), "web");
  EXPECT_EQ(services.find("web-1")->find("Datacenter")->string(), "dc1");
  EXPECT_EQ(services.find("db")->find("EnableTagOverride")->boolean(), true);
  const JsonValue checks = json_of(at.get("/v1/agent/checks"));
  EXPECT_EQ(checks.find("service:web-1")->find("Status")->string(), "critical");
  EXPECT_EQ(checks.find("service:web-1")->find("Node")->string(), "host-a");
  EXPECT_EQ(checks.find("service:web-1")->find("ServiceTags")->items().size(), 1U);
  EXPECT_EQ(at.get("/v1/agent/service/db").status, 200);
  EXPECT_EQ(at.get("/v1/agent/service/none").status, 404);
  EXPECT_EQ(line(at.put("/v1/agent/service/deregister/web-1")), "200 ");
  EXPECT_EQ(json_of(at.get("/v1/agent/services")).members().size(), 1U);
  EXPECT_EQ(at.put("/v1/agent/service/deregister/web-1").status, 404);
}

TEST_CASE("a wrong registration names field and reason") {
  ApiFixture at;
  const auto refused = [&](const Bytes& body) { return line(at.put("/v1/agent/service/register", body)); };
  EXPECT(refused("").starts_with("400 body: empty"));
  EXPECT(refused("[]").starts_with("400 body: a list where"));
  EXPECT(refused("{\"Name\":").starts_with("400 body"));
  EXPECT(refused(R"({"Name":"web","Port":"x"})").starts_with("400 Port"));
  EXPECT(refused(R"({"Name":"web","Port":70000})").starts_with("400 Port"));
  EXPECT(refused(R"({"Name":"web","Checks":[{"HTTP":"http://x/","Interval":"soon"}]})").starts_with("400 Checks[0].Interval"));
  EXPECT(refused(R"({"Port":80})").starts_with("400 name"));
  EXPECT_EQ(json_of(at.get("/v1/agent/services")).members().size(), 0U);
}

TEST_CASE("checks are registered, reported and removed") {
  ApiFixture at;
  EXPECT_EQ(line(at.put("/v1/agent/check/register", R"({"ID":"mem","Name":"memory","TTL":"30s"})")), "200 ");
  const auto is = [&](std::string_view wanted) { return json_of(at.get("/v1/agent/checks")).find("mem")->find("Status")->string() == wanted; };
  EXPECT(is("critical"));
  EXPECT_EQ(line(at.put("/v1/agent/check/pass/mem?note=fine")), "200 ");
  EXPECT(is("passing"));
  EXPECT_EQ(json_of(at.get("/v1/agent/checks")).find("mem")->find("Output")->string(), "fine");
  at.put("/v1/agent/check/warn/mem");
  EXPECT(is("warning"));
  at.put("/v1/agent/check/fail/mem");
  EXPECT(is("critical"));
  EXPECT_EQ(line(at.put("/v1/agent/check/update/mem", R"({"Status":"passing","Output":"ok"})")), "200 ");
  EXPECT(is("passing"));
  EXPECT(line(at.put("/v1/agent/check/update/mem", R"({"Status":"great"})")).starts_with("400 Status"));
  EXPECT(line(at.put("/v1/agent/check/update/mem", "{}")).starts_with("400 Status: required"));
  EXPECT_EQ(at.put("/v1/agent/check/pass/none").status, 404);
  EXPECT_EQ(line(at.put("/v1/agent/check/deregister/mem")), "200 ");
  EXPECT_EQ(at.get("/v1/agent/checks").body, "{}");
}

TEST_CASE("catalog/register becomes one command") {
  ApiFixture at;
  at.next_result.applied = true;
  EXPECT_EQ(line(at.put("/v1/catalog/register", R"({"Datacenter":"dc1","Node":"ext","Address":"10.9.9.9",
      "NodeMeta":{"external":"yes"},"Service":{"Service":"db","Port":5432},
      "Check":{"Name":"ping","Status":"passing"},"Checks":[{"CheckID":"c2","ServiceID":"db"}]})")), "200 true");
  REQUIRE_EQ(at.commands.size(), 1U);
  REQUIRE(at.commands[0].registration.has_value());
  const model::RegisterCommand& command = *at.commands[0].registration;
  EXPECT_EQ(command.node.name, "ext");
  EXPECT_EQ(command.node.datacenter, "dc1");
  EXPECT_EQ(command.node.meta.at("external"), "yes");
  REQUIRE_EQ(command.services.size(), 1U);
  EXPECT_EQ(command.services[0].id, "db");
  REQUIRE_EQ(command.checks.size(), 2U);
  EXPECT_EQ(command.checks[0].check_id, "ping");
  EXPECT(command.checks[0].status == model::CheckStatus::Passing);
  EXPECT_EQ(command.checks[1].service_id, "db");
}

TEST_CASE("wrong catalog writes are refused before a server sees them") {
  ApiFixture at;
  const auto refused = [&](const Bytes& body) { return line(at.put("/v1/catalog/register", body)); };
  EXPECT(refused(R"({"Address":"10.0.0.9"})").starts_with("400 Node: required"));
  EXPECT(refused(R"({"Node":"x"})").starts_with("400 Address: required"));
  EXPECT(refused(R"({"Node":"a/b","Address":"1.2.3.4"})").starts_with("400 Node: \"a/b\""));
  EXPECT(refused(R"({"Node":"x","Address":"1.2.3.4","Check":{}})").starts_with("400 Check: CheckID, Name: one"));
  EXPECT(refused(R"({"Node":"x","Address":"1.2.3.4","Service":{"Port":1}})").starts_with("400 Service: "));
  EXPECT(refused(R"({"Node":"x","Address":"1.2.3.4","Datacenter":"dc9"})").starts_with("500 No path to datacenter"));
  EXPECT_EQ(line(at.put("/v1/catalog/deregister", "{}")), "400 Node: required\n");
  EXPECT(at.commands.empty());
}

TEST_CASE("a refusal of the servers keeps its kind") {
  ApiFixture at;
  at.next_result.code = static_cast<std::uint32_t>(Code::Conflict);
  at.next_result.message = "node name host-a is taken";
  const auto response = at.put("/v1/catalog/deregister", R"({"Node":"x","ServiceID":"y"})");
  EXPECT_EQ(line(response), "409 node name host-a is taken\n");
  EXPECT_EQ(header_of(response, "X-Mesh-Error"), code_name(Code::Conflict));
}

TEST_CASE("an entry is read as JSON, raw, by prefix and as keys") {
  ApiFixture at;
  at.kv_answer.index = 42;
  at.kv_answer.known_leader = true;
  const auto missing = at.get("/v1/kv/a");
  EXPECT_EQ(line(missing), "404 ");
  EXPECT_EQ(header_of(missing, "X-Consul-Index"), "42");
  model::KvEntry entry;
  entry.key = "a";
  entry.value = Bytes("\x00 hello", 7);
  entry.flags = 7;
  at.kv_answer.entries = {entry};
  const JsonValue json = json_of(at.get("/v1/kv/a"));
  EXPECT_EQ(json.items()[0].find("Key")->string(), "a");
  EXPECT_EQ(json.items()[0].find("Value")->string(), "ACBoZWxsbw==");
  EXPECT_EQ(json.items()[0].find("Flags")->integer(), 7);
  EXPECT_EQ(json.items()[0].find("LockIndex")->integer(), 0);
  const auto raw = at.get("/v1/kv/a?raw");
  EXPECT_EQ(raw.body, Bytes("\x00 hello", 7));
  EXPECT_EQ(header_of(raw, "X-Consul-KnownLeader"), "true");
  at.kv_answer.entries.clear();
  at.kv_answer.keys = {"a/", "b"};
  EXPECT_EQ(at.get("/v1/kv/?keys&separator=/").body, R"(["a/","b"])");
  EXPECT(at.kv_reads.back().keys_only);
  EXPECT_EQ(at.kv_reads.back().separator, "/");
}

TEST_CASE("modes, waits and prefixes of a KV read go to the servers") {
  ApiFixture at;
  at.get("/v1/kv/a%2Fb/c?recurse&index=7&wait=20s&consistent");
  REQUIRE_EQ(at.kv_reads.size(), 1U);
  EXPECT_EQ(at.kv_reads[0].key, "a/b/c");
  EXPECT(at.kv_reads[0].recurse);
  EXPECT_EQ(at.kv_reads[0].min_index, 7U);
  EXPECT(at.kv_reads[0].wait == seconds(20));
  EXPECT(at.kv_reads[0].mode == model::ReadMode::Consistent);
  EXPECT_EQ(line(at.get("/v1/kv/")), "400 Missing key name\n");
  EXPECT_EQ(at.kv_reads.size(), 1U);
}

TEST_CASE("KV writes become commands and answer whether they were applied") {
  ApiFixture at;
  at.next_result.applied = true;
  EXPECT_EQ(line(at.put("/v1/kv/a?flags=9", "value")), "200 true");
  EXPECT(at.commands.back().kv->op == model::KvOp::Set);
  EXPECT_EQ(at.commands.back().kv->value, "value");
  EXPECT_EQ(at.commands.back().kv->flags, 9U);
  at.next_result.applied = false;
  EXPECT_EQ(line(at.put("/v1/kv/a?cas=0", "")), "200 false");
  EXPECT(at.commands.back().kv->op == model::KvOp::Cas);
  at.del("/v1/kv/a");
  EXPECT(at.commands.back().kv->op == model::KvOp::Delete);
  at.del("/v1/kv/a?recurse");
  EXPECT(at.commands.back().kv->op == model::KvOp::DeleteTree);
  at.del("/v1/kv/a?cas=5");
  EXPECT(at.commands.back().kv->op == model::KvOp::DeleteCas);
  EXPECT_EQ(at.commands.back().kv->index, 5U);
}

TEST_CASE("wrong KV writes are refused by name, values over 512 KiB with 413") {
  ApiFixture at;
  at.next_result.applied = true;
  EXPECT(line(at.put("/v1/kv/a?flags=x", "v")).starts_with("400 flags"));
  EXPECT(line(at.put("/v1/kv/a?cas=-2", "v")).starts_with("400 cas"));
  EXPECT(line(at.put("/v1/kv/", "v")).starts_with("400 Missing key name"));
  EXPECT(line(at.put("/v1/kv/" + std::string(513, 'k'), "v")).starts_with("400 key"));
  EXPECT(line(at.put("/v1/kv/a?acquire=1", "v")).starts_with("501 acquire"));
  EXPECT(line(at.del("/v1/kv/a?cas=0")).starts_with("400 cas"));
  EXPECT(at.commands.empty());
  EXPECT_EQ(at.put("/v1/kv/a", Bytes(512 * 1024, 'x')).status, 200);
  const auto large = at.put("/v1/kv/a", Bytes(512 * 1024 + 1, 'x'));
  EXPECT_EQ(large.status, 413);
  EXPECT(large.body.find("is too large") != std::string::npos);
}

TEST_CASE("an intention is set, asked and removed by its pair") {
  ApiFixture at;
  at.next_result.applied = true;
  at.next_result.id = "1c0d0000-0000-4000-8000-000000000001";
  EXPECT_EQ(line(at.put("/v1/connect/intentions/exact?source=default/web&destination=db", R"({"Action":"deny","SourceType":"consul"})")), "200 true");
  REQUIRE_EQ(at.commands.size(), 1U);
  EXPECT_EQ(at.commands[0].intention_upsert->intention.source, "web");
  EXPECT_EQ(at.commands[0].intention_upsert->intention.action, model::IntentionAction::Deny);
  EXPECT_EQ(line(at.call({.method = net::HttpMethod::Post, .target = "/v1/connect/intentions",
                          .body = R"({"SourceName":"*","DestinationName":"db","Action":"allow"})"})),
            R"(200 {"ID":"1c0d0000-0000-4000-8000-000000000001"})");
  EXPECT_EQ(at.del("/v1/connect/intentions/exact?source=web&destination=db").status, 200);
  EXPECT_EQ(at.commands[2].intention_delete->destination, "db");
  EXPECT_EQ(at.del("/v1/connect/intentions/1c0d").status, 200);
  EXPECT_EQ(at.commands[3].intention_delete->id, "1c0d");
  EXPECT_EQ(at.put("/v1/connect/intentions/exact?source=web", R"({"Action":"deny"})").status, 400);
  EXPECT_EQ(at.put("/v1/connect/intentions/exact?source=web&destination=db", R"({"Action":"maybe"})").status, 400);
}

TEST_CASE("intentions are read with the decision of the data plane") {
  ApiFixture at;
  at.set_default(model::IntentionAction::Deny);
  at.put_intention("web", "db", model::IntentionAction::Allow);
  const JsonValue list = json_of(at.get("/v1/connect/intentions"));
  REQUIRE_EQ(list.items().size(), 1U);
  EXPECT_EQ(list.items()[0].find("SourceName")->string(), "web");
  EXPECT_EQ(list.items()[0].find("SourceNS")->string(), "default");
  EXPECT_EQ(json_of(at.get("/v1/connect/intentions/exact?source=WEB&destination=db")).find("Action")->string(), "allow");
  EXPECT_EQ(at.get("/v1/connect/intentions/exact?source=api&destination=db").status, 404);
  EXPECT_EQ(at.get("/v1/connect/intentions/none").status, 404);
  const auto allowed = [&](const std::string& pair) {
    return json_of(at.get("/v1/connect/intentions/check?" + pair)).find("Allowed")->boolean().value();
  };
  EXPECT(allowed("source=web&destination=db"));
  EXPECT(!allowed("source=api&destination=db"));
  EXPECT(!allowed("source=node/host-a&destination=db"));
}

}  // namespace mesh::agent
