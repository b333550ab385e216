// A catalog of some hosts and services, for tests of what an agent keeps of it.
#pragma once

#include <string>

#include "model/catalog.h"
#include "model/tables.h"
#include "tests/test.h"

namespace mesh::agent {

template <class Row>
model::RowChange catalog_row(model::TableId table, Bytes key, const Row& row) {
  return {table, std::move(key), encode(row)};
}

// `instances` instances of a hundredth as many services, ten on a node, each with a check.
inline model::Catalog catalog_of(std::size_t instances, std::uint64_t index) {
  model::ChangeSet changes;
  changes.index = index;
  for (std::size_t i = 0; i < instances; ++i) {
    model::ServiceInstance instance;
    instance.node_id = model::NodeId(fmt::format("{:08}-0000-4000-8000-000000000000", i / 10));
    if (i % 10 == 0) {
      model::Node node;
      node.id = instance.node_id;
      node.name = fmt::format("host-{}", i / 10);
      node.address = "10.0.0.1";
      changes.rows.push_back(catalog_row(model::kTableNodes, Bytes(node.id.text()), node));
    }
    instance.name = fmt::format("service-{}", i % (instances / 100 + 1));
    instance.id = fmt::format("{}-{}", instance.name, i);
    instance.tags = {"v1", "production"};
    instance.port = 8080;
    instance.ports = {{.name = "main", .port = 8080, .protocol = model::Protocol::Http, .mesh_port = 80}};
    instance.meta = {{"team", "shop"}};
    model::Check check;
    check.node_id = instance.node_id;
    check.check_id = "service:" + instance.id;
    check.name = "Service check";
    check.status = model::CheckStatus::Passing;
    check.service_id = instance.id;
    check.service_name = instance.name;
    check.output = "HTTP GET http://127.0.0.1:8080/health: 200 OK";
    changes.rows.push_back(catalog_row(model::kTableInstances, model::key_on_node(instance.node_id, instance.id), instance));
    changes.rows.push_back(catalog_row(model::kTableChecks, model::key_on_node(check.node_id, check.check_id), check));
  }
  auto catalog = model::Catalog().with_changes(changes);
  REQUIRE(catalog.ok());
  return *catalog;
}

}  // namespace mesh::agent
