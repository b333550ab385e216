#include "model/service.h"

#include "base/message_json.h"
#include "base/message_yaml.h"
#include "tests/test.h"

namespace mesh::model {
namespace {

ServiceDefinition definition(std::string_view json) {
  return from_json<ServiceDefinition>(parse_json(json).value()).value();
}

std::string first_fault(std::string_view json) {
  const std::vector<std::string> faults = service_definition_faults(definition(json));
  return faults.empty() ? "" : faults[0];
}

TEST_CASE("the smallest registration fills in everything else") {
  const ServiceDefinition web = definition(R"({"Name":"web","Port":8080})");
  EXPECT(service_definition_faults(web).empty());
  const ServiceInstance instance = instance_of(web, NodeId("n1"));
  EXPECT_EQ(instance.id, "web");
  EXPECT(instance.key() == InstanceKey{NodeId("n1"), "web"});
  EXPECT(instance.weights == Weights{.passing = 1, .warning = 1});
  const ServicePort main{.name = "main", .port = 8080, .protocol = Protocol::Tcp, .mesh_port = 8080};
  EXPECT(instance.ports == std::vector<ServicePort>{main});
  EXPECT(checks_of(web).empty());
}

TEST_CASE("an instance is written as Consul's NodeService") {
  ServiceInstance instance = instance_of(definition(R"({"ID":"web-1","Name":"web","Port":80,"Tags":["v2"]})"), NodeId("n1"));
  instance.create_index = 3;
  instance.modify_index = 9;
  EXPECT_EQ(to_json(instance),
            R"({"ID":"web-1","Service":"web","Tags":["v2"],"Address":"","Port":80,"Meta":{},)"
            R"("Weights":{"Passing":1,"Warning":1},"EnableTagOverride":false,)"
            R"("Ports":[{"Name":"main","Port":80,"Protocol":"tcp","MeshPort":80}],"CreateIndex":3,"ModifyIndex":9})");
}

TEST_CASE("a full registration in snake case reads like one in camel case") {
  const ServiceDefinition snake = definition(R"({"id":"web-1","name":"web","port":8080,"enable_tag_override":true,
    "tagged_addresses":{"lan":{"address":"10.0.0.1","port":80}},"weights":{"passing":5,"warning":1},
    "check":{"http":"http://127.0.0.1:8080/","interval":"5s","deregister_critical_service_after":"1m"}})");
  const ServiceDefinition camel = definition(R"({"ID":"web-1","Name":"web","Port":8080,"EnableTagOverride":true,
    "TaggedAddresses":{"lan":{"Address":"10.0.0.1","Port":80}},"Weights":{"Passing":5,"Warning":1},
    "Check":{"HTTP":"http://127.0.0.1:8080/","Interval":"5s","DeregisterCriticalServiceAfter":"1m"}})");
  EXPECT(snake == camel);
  EXPECT(snake.check->deregister_after == minutes(1));
}

TEST_CASE("the example of the configuration reads from YAML") {
  std::vector<YamlFinding> findings;
  const YamlNode node = parse_yaml(R"(
name: web
id: web-1
port: 8080
protocol: http
tags: [v2]
meta: {team: shop}
process: {unit: web.service}
checks:
  - {http: "http://127.0.0.1:8080/health", interval: 5s, timeout: 1s}
upstreams:
  - db
  - {name: billing, bind: "127.0.0.1:9191"}
)", "web.yaml", findings);
  const ServiceDefinition web = from_yaml<ServiceDefinition>(node, "web.yaml", findings);
  REQUIRE(findings.empty());
  EXPECT(service_definition_faults(web).empty());
  EXPECT_EQ(web.upstreams[0].name, "db");
  EXPECT_EQ(web.upstreams[1].bind, "127.0.0.1:9191");
  EXPECT_EQ(web.process.unit, "web.service");
  EXPECT(instance_of(web, NodeId("n")).ports[0].protocol == Protocol::Http);
}

TEST_CASE("checks get Consul's ids, with a number when there are several") {
  const auto ids = [](std::string_view json) {
    std::string text;
    for (const CheckDefinition& check : checks_of(definition(json))) text += check.check_id + " ";
    return text;
  };
  EXPECT_EQ(ids(R"({"Name":"web","Check":{"TTL":"5s"}})"), "service:web ");
  EXPECT_EQ(ids(R"({"Name":"web","ID":"w","Check":{"TTL":"5s"},"Checks":[{"TCP":"a:1"},{"CheckID":"own","TTL":"1s"}]})"),
            "service:w:1 service:w:2 own ");
}

TEST_CASE("what cannot be registered is told in words") {
  EXPECT_EQ(first_fault("{}"), "name is empty");
  EXPECT_EQ(first_fault(R"({"Name":"a/b"})"), "name holds a slash");
  EXPECT_EQ(first_fault(R"({"Name":"Query"})"), "name Query is reserved by DNS");
  EXPECT_EQ(first_fault(R"({"Name":"a","Port":1,"Ports":[{"Port":2}]})"),
            "port 1 and ports[0].port 2 differ; give only one of port and ports");
  EXPECT_EQ(first_fault(R"({"Name":"a","Ports":[{"Port":1},{"Name":"MAIN","Port":2}]})"), "ports[1].name MAIN is used twice");
  EXPECT_EQ(first_fault(R"({"Name":"a","Ports":[{"Port":1},{"Name":"b","Port":2,"MeshPort":1}]})"),
            "ports[1].mesh_port 1 is used twice");
  EXPECT_EQ(first_fault(R"({"Name":"a","Checks":[{}]})"), "checks[0]: a check needs one of http, tcp or ttl");
  EXPECT_EQ(first_fault(R"({"Name":"a","Check":{"HTTP":"x","TTL":"1s"}})"), "check: a check has only one of http, tcp and ttl");
  EXPECT_EQ(first_fault(R"({"Name":"a","Check":{"HTTP":"localhost/x"}})"),
            "check: http is not a URL that starts with http:// or https://");
  EXPECT_EQ(first_fault(R"({"Name":"a","Check":{"TCP":"x:1","Interval":"1ms"}})"), "check: interval is under 100ms");
  EXPECT_EQ(first_fault(R"({"Name":"a","Upstreams":[{}]})"), "upstreams[0].name is empty");
  EXPECT_EQ(first_fault(R"({"Name":"a","Address":"x\u0000"})"), "address holds a control character");
  EXPECT_EQ(first_fault(R"({"Name":"a","Tags":["v1","\u001b[31m"]})"), "tags[1] holds a control character");
  EXPECT_EQ(first_fault(R"({"Name":"a","Address":")" + std::string(256, 'x') + R"("})"), "address is over 255 bytes");
  EXPECT_EQ(first_fault(R"({"Name":"a","Check":{"CheckID":"c\n","TTL":"1s"}})"), "check: check_id holds a control character");
  EXPECT_EQ(first_fault(R"({"Name":"a","Check":{"CheckID":")" + std::string(513, 'c') + R"(","TTL":"1s"}})"),
            "check: check_id is over 512 bytes");
}

TEST_CASE("an upstream's own address is an IP address with a port or the path of a unix socket, once each") {
  const auto fault_of = [](std::string_view bind) {
    return first_fault(fmt::format(R"({{"Name":"a","Upstreams":[{{"DestinationName":"db","Bind":"{}"}}]}})", bind));
  };
  for (const char* good : {"127.0.0.1:9191", "[::1]:1", "0.0.0.0:65535", "/run/web/db.sock", ""}) EXPECT_EQ(fault_of(good), "");
  for (const char* bad : {"9191", ":9191", "localhost:9191", "127.0.0.1:0", "127.0.0.1:65536", "127.0.0.1:", "127.0.0.1",
                          "::1:80", "[127.0.0.1]:80", "[::1]", "run/db.sock", "/run/", "unix:/run/db.sock", "127.0.0.1:+80"}) {
    CAPTURE(bad);
    EXPECT_EQ(fault_of(bad), fmt::format("upstreams[0].bind \"{}\" is no address to listen on; write it as "
                                         "127.0.0.1:9191, [::1]:9191 or /run/web/db.sock", bad));
  }
  EXPECT_EQ(fault_of("/" + std::string(107, 'x')),
            "upstreams[0].bind is a path of 108 bytes; a unix socket's has at most 107");
  EXPECT_EQ(first_fault(R"({"Name":"a","Upstreams":[{"DestinationName":"b","Bind":"127.0.0.1:1"},
                         {"DestinationName":"c","Bind":"127.0.0.1:1"}]})"),
            "upstreams[1].bind 127.0.0.1:1 is that of upstreams[0] too; give each its own");
}

TEST_CASE("the rule that says which processes are the service is read or refused in words") {
  const auto fault_of = [](std::string_view rule) { return first_fault(fmt::format(R"({{"Name":"a","Process":{{{}}}}})", rule)); };
  for (const char* good : {R"("User":"www-data")", R"("User":"4001")", R"("Unit":"web@1.service","User":"web")",
                           R"("Cgroup":"system.slice/web.service")", R"("Cgroup":"/apps/web")"})
    EXPECT_EQ(fault_of(good), "");
  EXPECT_EQ(fault_of(R"("Unit":"web")"),
            "process.unit \"web\" is no unit that runs processes; write it as web.service or web.scope");
  EXPECT_EQ(fault_of(R"("Cgroup":"a/../b")"), "process.cgroup \"a/../b\" is no path below the root of the cgroup tree; "
                                              "write it as system.slice/web.service");
  EXPECT_EQ(fault_of(R"("Cgroup":"/")").substr(0, 18), "process.cgroup \"/\"");
  EXPECT_EQ(fault_of(R"("Unit":"a.service","Cgroup":"b")"), "process.unit and process.cgroup are both given; keep one");
  EXPECT_EQ(fault_of(R"("User":"a b")"), "process.user \"a b\" is no user; write a name or a number");
  EXPECT_EQ(fault_of(R"("Exe":"/usr/bin/a")"),
            "process.exe is not supported yet; tell the service's processes apart by process.unit, cgroup or user");
}

TEST_CASE("a port is found by name, the main one without") {
  const ServiceInstance instance = instance_of(definition(R"({"Name":"a","Ports":[{"Port":1},{"Name":"admin","Port":2}]})"), NodeId("n"));
  EXPECT_EQ(find_port(instance)->port, 1);
  EXPECT_EQ(find_port(instance, "Admin")->port, 2);
  EXPECT(find_port(instance, "x") == nullptr);
}

}  // namespace
}  // namespace mesh::model
