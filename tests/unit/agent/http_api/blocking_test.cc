// Blocking queries.
#include "tests/unit/agent/http_api/api_fixture.h"

namespace mesh::agent {
namespace {

std::string blocking(const std::string& path, std::uint64_t index, const std::string& wait = "60s") {
  return fmt::format("{}{}index={}&wait={}", path, path.find('?') == std::string::npos ? '?' : '&', index, wait);
}

std::uint64_t index_of(ApiFixture& at, const std::string& path) {
  return std::stoull(header_of(at.get(path), "X-Consul-Index"));
}

}  // namespace

TEST_CASE("a query with the current index waits for the watched object and for nothing else") {
  ApiFixture at;
  at.put_example();
  const auto db = at.start(blocking("/v1/health/service/db", index_of(at, "/v1/health/service/db")));
  REQUIRE(at.wait([&] { return at.waiting() == 1; }));
  at.put_check(kHostB, "web-check", "web-2", model::CheckStatus::Passing);
  at.publish();
  at.put_service(kHostB, "other", "other");
  at.publish();
  EXPECT_EQ(at.get("/v1/status/leader").status, 200);
  EXPECT_FALSE(db->done);
  at.put_check(kHostA, "db-check", "db", model::CheckStatus::Critical);
  at.publish();
  REQUIRE(at.wait([&] { return db->done; }));
  EXPECT_EQ(json_of(*db->response).items()[0].find("Checks")->items().size(), 2U);
  EXPECT_EQ(header_of(*db->response, "X-Consul-Index"), std::to_string(at.catalog.index()));
  EXPECT_EQ(at.waiting(), 0U);
}

TEST_CASE("an older index is answered at once") {
  ApiFixture at;
  at.put_example();
  const auto index = index_of(at, "/v1/catalog/services");
  EXPECT_EQ(at.get(blocking("/v1/catalog/services", index - 1)).status, 200);
  EXPECT_EQ(at.get(blocking("/v1/catalog/services", 0)).status, 200);
}

TEST_CASE("the wait ends with the answer as it is and the same index") {
  ApiFixture at;
  at.put_example();
  const auto index = index_of(at, "/v1/catalog/services");
  const auto response = at.get(blocking("/v1/catalog/services", index, "10ms"));
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(header_of(response, "X-Consul-Index"), std::to_string(index));
}

TEST_CASE("a wait on a service ends when its last instance goes, and one on a missing service when it comes") {
  ApiFixture at;
  at.put_example();
  const auto going = at.start(blocking("/v1/health/service/db?passing", index_of(at, "/v1/health/service/db")));
  const auto coming = at.start(blocking("/v1/health/service/new", index_of(at, "/v1/health/service/new")));
  REQUIRE(at.wait([&] { return at.waiting() == 2; }));
  at.remove_service(kHostA, "db");
  at.publish();
  REQUIRE(at.wait([&] { return going->done; }));
  EXPECT_EQ(going->response->body, "[]");
  at.put_service(kHostA, "new", "new");
  at.publish();
  REQUIRE(at.wait([&] { return coming->done; }));
  EXPECT_EQ(json_of(*coming->response).items().size(), 1U);
}

TEST_CASE("many equal queries are all woken by one change, each only if it has not seen it") {
  ApiFixture at;
  at.put_example();
  const auto index = index_of(at, "/v1/health/service/db");
  std::vector<std::unique_ptr<ApiFixture::Pending>> pending;
  for (int i = 0; i < 50; ++i) pending.push_back(at.start(blocking("/v1/health/service/db", index)));
  const auto ahead = at.start(blocking("/v1/health/service/db", index + 100));
  REQUIRE(at.wait([&] { return at.waiting() == 51; }));
  at.put_check(kHostA, "db-check", "db", model::CheckStatus::Warning);
  at.publish();
  REQUIRE(at.wait([&] { return at.waiting() == 1; }));
  for (const auto& each : pending) REQUIRE(at.wait([&] { return each->done; }));
  for (const auto& each : pending) EXPECT_EQ(each->response->body, pending[0]->response->body);
  EXPECT_FALSE(ahead->done);
}

TEST_CASE("a client that goes away stops waiting") {
  ApiFixture at;
  at.put_example();
  auto pending = at.start(blocking("/v1/catalog/nodes", index_of(at, "/v1/catalog/nodes")));
  REQUIRE(at.wait([&] { return at.waiting() == 1; }));
  pending.reset();
  EXPECT(at.wait([&] { return at.waiting() == 0; }));
}

TEST_CASE("an agent that stops lets go of those who wait") {
  ApiFixture at;
  at.put_example();
  const auto index = index_of(at, "/v1/catalog/nodes");
  const auto changed = at.start(blocking("/v1/catalog/nodes", index));
  at.barrier_index = at.catalog.index() + 10;
  REQUIRE(at.wait([&] { return at.waiting() == 1; }));
  const auto behind = at.start("/v1/catalog/services");
  REQUIRE(at.wait([&] { return at.waiting() == 2; }));
  at.release_waiting();
  REQUIRE(at.wait([&] { return changed->done && behind->done; }));
  EXPECT_EQ(behind->response->status, 500);
  EXPECT_EQ(at.waiting(), 0U);
}

TEST_CASE("a stale blocking query goes on without servers") {
  ApiFixture at;
  at.put_example();
  at.servers_fail = true;
  const auto pending = at.start(blocking("/v1/catalog/nodes?stale", at.catalog.nodes_index()));
  REQUIRE(at.wait([&] { return at.waiting() == 1; }));
  at.put_node("4b1c0000-0000-4000-8000-00000000000c", "host-c", "10.0.0.3");
  at.publish();
  REQUIRE(at.wait([&] { return pending->done; }));
  EXPECT_EQ(json_of(*pending->response).items().size(), 3U);
}

}  // namespace mesh::agent
