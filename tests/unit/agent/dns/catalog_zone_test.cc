#include "agent/dns/catalog_zone.h"

#include "agent/dns/answer.h"
#include "base/wire.h"
#include "tests/test.h"
#include "tests/unit/agent/dns/dns_text.h"

namespace mesh::dns {
namespace {

const model::NodeId kNode("4b1c0000-0000-4000-8000-000000000001");

template <class T>
void put(model::Catalog& catalog, model::TableId table, Bytes key, const T& row) {
  REQUIRE(catalog.change({table, std::move(key), encode(row)}, catalog.index() + 1).ok());
}

model::Catalog small_catalog(model::CheckStatus status) {
  model::Catalog catalog;
  model::Node node;
  node.id = kNode;
  node.name = "host-a";
  node.address = "10.0.0.1";
  node.datacenter = "dc1";
  node.meta["rack"] = "r1";
  put(catalog, model::kTableNodes, Bytes(kNode.text()), node);
  model::ServiceInstance web;
  web.node_id = kNode;
  web.id = "web-1";
  web.name = "web";
  web.address = "10.0.0.21";
  web.port = 8080;
  web.tags = {"v1"};
  web.weights = {.passing = 5, .warning = 2};
  put(catalog, model::kTableInstances, model::key_on_node(kNode.text(), "web-1"), web);
  model::Check check;
  check.node_id = kNode;
  check.check_id = "web-check";
  check.service_id = "web-1";
  check.service_name = "web";
  check.status = status;
  put(catalog, model::kTableChecks, model::key_on_node(kNode.text(), "web-check"), check);
  model::Name name;
  name.service = "web";
  name.address = "127.128.0.5";
  put(catalog, model::kTableNames, "web", name);
  return catalog;
}

std::string ask(const model::Catalog& catalog, std::string_view name, std::string_view type) {
  const CatalogZone zone(catalog);
  Settings settings;
  settings.domains = {Name::from_text("mesh").value()};
  Rng rng(1);
  Bytes reply;
  (void)answer(make_query({.name = name, .type = type}), {}, &zone, settings, rng, reply);
  return describe_reply(reply);
}

}  // namespace

TEST_CASE("the catalog's instances, nodes and mesh names are answered") {
  const model::Catalog catalog = small_catalog(model::CheckStatus::Passing);
  EXPECT_EQ(ask(catalog, "Web.service.mesh", "A"), "NOERROR aa | Web.service.mesh. 0 A 10.0.0.21 | - | -");
  EXPECT_EQ(ask(catalog, "v1.web.service.mesh", "SRV"),
            "NOERROR aa | v1.web.service.mesh. 0 SRV 1 5 8080 0a000015.addr.dc1.mesh. | - | "
            "0a000015.addr.dc1.mesh. 0 A 10.0.0.21");
  EXPECT_EQ(ask(catalog, "host-a.node.mesh", "TXT"), "NOERROR aa | host-a.node.mesh. 0 TXT \"rack=r1\" | - | -");
  EXPECT_EQ(ask(catalog, "web.mesh", "A"), "NOERROR aa | web.mesh. 0 A 127.128.0.5 | - | -");
}

TEST_CASE("reverse names of nodes, instances and mesh addresses are found") {
  const model::Catalog catalog = small_catalog(model::CheckStatus::Passing);
  EXPECT_EQ(ask(catalog, "1.0.0.10.in-addr.arpa", "PTR"),
            "NOERROR aa | 1.0.0.10.in-addr.arpa. 0 PTR host-a.node.dc1.mesh. | - | -");
  EXPECT_EQ(ask(catalog, "21.0.0.10.in-addr.arpa", "PTR"),
            "NOERROR aa | 21.0.0.10.in-addr.arpa. 0 PTR web.service.mesh. | - | -");
  EXPECT_EQ(ask(catalog, "5.0.128.127.in-addr.arpa", "PTR"),
            "NOERROR aa | 5.0.128.127.in-addr.arpa. 0 PTR web.mesh. | - | -");
}

TEST_CASE("a warning changes the weight, a critical check hides the instance but not the mesh address") {
  const model::Catalog warning = small_catalog(model::CheckStatus::Warning);
  EXPECT(ask(warning, "web.service.mesh", "SRV").find("SRV 1 2 8080") != std::string::npos);
  const model::Catalog critical = small_catalog(model::CheckStatus::Critical);
  EXPECT(ask(critical, "web.service.mesh", "A").starts_with("NXDOMAIN aa | -"));
  EXPECT_EQ(ask(critical, "web.mesh", "A"), "NOERROR aa | web.mesh. 0 A 127.128.0.5 | - | -");
}

}  // namespace mesh::dns
