#include "agent/local_state.h"

#include "tests/test.h"

namespace mesh::agent {
namespace {

model::Node node() {
  model::Node node;
  node.id = model::NodeId("11111111-1111-1111-1111-111111111111");
  node.name = "host-a";
  node.address = "127.0.0.1";
  return node;
}

model::ServiceDefinition service(std::string name, std::uint16_t port) {
  model::ServiceDefinition definition;
  definition.name = std::move(name);
  definition.port = port;
  return definition;
}

model::CheckDefinition ttl_check(std::string id, std::string service_id = {}) {
  model::CheckDefinition definition;
  definition.check_id = std::move(id);
  definition.name = definition.check_id;
  definition.service_id = std::move(service_id);
  definition.ttl = seconds(10);
  return definition;
}

TEST_CASE("a service is registered with its defaults and replaced by its id") {
  LocalState state(node());
  REQUIRE(state.add_service(service("web", 80), {}).ok());
  REQUIRE(state.add_service(service("web", 8080), {}).ok());
  REQUIRE_EQ(state.services().size(), 1);
  const LocalService* web = state.services().find("WEB");  // ids compare without case
  REQUIRE(web != nullptr);
  EXPECT_EQ(web->instance.port, 8080);
  EXPECT_EQ(web->instance.node_id, node().id);
}

TEST_CASE("a faulty service is refused with all its faults and changes nothing") {
  LocalState state(node());
  model::ServiceDefinition bad = service("", 80);
  bad.checks.emplace_back();
  const auto revision = state.revision();
  const Status status = state.add_service(bad, {});
  REQUIRE(!status.ok());
  EXPECT_EQ(outcome_of(status), Code::Invalid);
  EXPECT(error_text(status).find(';') != std::string::npos);
  EXPECT_EQ(state.revision(), revision);
  EXPECT(state.services().empty());
}

TEST_CASE("a service or check too large for a write to the catalog is refused and changes nothing") {
  LocalState state(node());
  auto large = service("large", 80);
  large.tags.assign(1, std::string(kLocalRowBytesMax, 't'));
  REQUIRE(!state.add_service(large, {}).ok());
  auto web = service("web", 80);
  web.checks = {ttl_check("one")};
  web.checks[0].notes = std::string(kLocalRowBytesMax, 'n');
  const Status status = state.add_service(web, {});
  REQUIRE(!status.ok());
  EXPECT_EQ(outcome_of(status), Code::Invalid);
  EXPECT(!state.add_check(web.checks[0], Source::Api).ok());
  EXPECT(state.services().empty());
  EXPECT(state.checks().empty());
}

TEST_CASE("checks come and go with their service, those not named again stay unless they are to be replaced") {
  LocalState state(node());
  auto web = service("web", 80);
  web.checks = {ttl_check("one"), ttl_check("two")};
  REQUIRE(state.add_service(web, {}).ok());
  EXPECT_EQ(state.checks().size(), 2);
  web.checks = {ttl_check("one")};
  REQUIRE(state.add_service(web, {}).ok());
  EXPECT_EQ(state.checks().size(), 2);
  REQUIRE(state.add_service(web, {.replace_existing_checks = true}).ok());
  EXPECT_EQ(state.checks().size(), 1);
  REQUIRE(state.remove_service("web").ok());
  EXPECT(state.checks().empty());
  EXPECT_EQ(outcome_of(state.remove_service("web")), Code::NotFound);
}

TEST_CASE("a check registered again keeps its status and output") {
  LocalState state(node());
  REQUIRE(state.add_check(ttl_check("alive"), Source::Api).ok());
  EXPECT_EQ(state.checks().find("alive")->row.status, model::CheckStatus::Critical);
  REQUIRE(state.report_check("alive", model::CheckStatus::Passing, "fine").value());
  REQUIRE(state.add_check(ttl_check("alive"), Source::Api).ok());
  EXPECT_EQ(state.checks().find("alive")->row.status, model::CheckStatus::Passing);
  EXPECT_EQ(state.checks().find("alive")->row.output, "fine");
  EXPECT_FALSE(state.report_check("alive", model::CheckStatus::Passing, "fine").value());  // nothing new
}

TEST_CASE("output is cut to its limit, not inside a character") {
  LocalState state(node());
  REQUIRE(state.add_check(ttl_check("alive"), Source::Api).ok());
  std::string output(model::kCheckOutputMax - 1, 'x');
  output += "\xc3\xa4";  // its two bytes lie across the limit
  REQUIRE(state.report_check("alive", model::CheckStatus::Passing, output).ok());
  EXPECT_EQ(state.checks().find("alive")->row.output, std::string(model::kCheckOutputMax - 1, 'x'));
}

TEST_CASE("a check of a service that is not here, or of another service, is refused") {
  LocalState state(node());
  EXPECT_EQ(outcome_of(state.add_check(ttl_check("a", "nowhere"), Source::Api)), Code::NotFound);
  REQUIRE(state.add_service(service("web", 80), {}).ok());
  REQUIRE(state.add_service(service("db", 5432), {}).ok());
  REQUIRE(state.add_check(ttl_check("a", "web"), Source::Api).ok());
  EXPECT_EQ(outcome_of(state.add_check(ttl_check("a", "db"), Source::Api)), Code::Conflict);
  auto stealing = service("db", 5433);
  stealing.checks = {ttl_check("a")};
  EXPECT_EQ(outcome_of(state.add_service(stealing, {})), Code::Conflict);
  EXPECT_EQ(state.services().find("db")->instance.port, 5432);  // the refused registration left no trace
}

TEST_CASE("a copy is a version that later changes do not touch") {
  LocalState state(node());
  REQUIRE(state.add_service(service("web", 80), {}).ok());
  const LocalState before = state;
  REQUIRE(state.remove_service("web").ok());
  EXPECT(before.services().contains("web"));
}

}  // namespace
}  // namespace mesh::agent
