#include "agent/callers/caller_watch.h"

#include "tests/unit/agent/callers/fake_host.h"
#include "tests/unit/net/net_fixture.h"

namespace mesh::agent {

TEST_CASE("the rules follow the services and the host, and a change is told once") {
  net::Loop loop("test");
  MetricRegistry metrics;
  auto host = std::make_shared<FakeHost>();
  model::Node node;
  node.id = model::NodeId("aaaaaaaa-0000-4000-8000-000000000001");
  node.name = "host-a";
  LocalState local(node);
  int changes = 0;
  CallerWatch watch(loop, std::make_unique<FakeHostView>(host), metrics, [&] { ++changes; });
  watch.update(local);
  EXPECT(*watch.rules() == proxy::ProcessRules());

  model::ServiceDefinition web;
  web.name = "Web";
  web.port = 80;
  web.process.user = "4001";
  REQUIRE(local.add_service(web, {}).ok());
  watch.update(local);
  REQUIRE(net::wait_for(loop, [&] { return changes == 1; }));
  REQUIRE_EQ(watch.rules()->rules().size(), 1u);
  EXPECT_EQ(watch.rules()->rules()[0].service, "web");
  EXPECT(watch.rules()->rules()[0].uid == 4001);

  web.process.user = "4002";
  REQUIRE(local.add_service(web, {}).ok());
  watch.update(local);
  web.process.user = "nobody-knows";
  REQUIRE(local.add_service(web, {}).ok());
  watch.update(local);  // while the look before is under way
  REQUIRE(net::wait_for(loop, [&] { return watch.rules()->rules().empty(); }));
  EXPECT(watch.rules()->guards("web"));
  REQUIRE(net::wait_for(loop, [&] {
    return metrics.prometheus_text().find("meshd_proxy_services_without_processes 1") != std::string::npos;
  }));
  REQUIRE(local.remove_service("web").ok());
  watch.update(local);
  REQUIRE(net::wait_for(loop, [&] { return !watch.rules()->guards("web"); }));
}

}  // namespace mesh::agent
