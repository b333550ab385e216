#include "agent/http_api/routes.h"

#include <cstdlib>
#include <fstream>
#include <set>
#include <sstream>

#include "tests/test.h"

namespace mesh::agent {
namespace {

std::string pattern_for(net::HttpMethod method, std::string_view path) {
  const auto routed = find_route(method, path);
  if (!routed.ok()) return "error";
  if (routed->route == nullptr) return routed->allowed.empty() ? "404" : "405";
  std::string out(routed->route->path);
  for (const std::string& argument : routed->arguments) out += " [" + argument + "]";
  return out;
}

}  // namespace

TEST_CASE("paths find their routes and arguments") {
  constexpr auto kGet = net::HttpMethod::Get;
  EXPECT_EQ(pattern_for(kGet, "/v1/catalog/nodes"), "/v1/catalog/nodes");
  EXPECT_EQ(pattern_for(kGet, "/v1/catalog/service/web"), "/v1/catalog/service/:service [web]");
  EXPECT_EQ(pattern_for(kGet, "/v1/catalog/service/a%2fb%20c"), "/v1/catalog/service/:service [a/b c]");
  EXPECT_EQ(pattern_for(kGet, "/v1/kv/a/b//c"), "/v1/kv/*key [a/b//c]");
  EXPECT_EQ(pattern_for(kGet, "/v1/kv/"), "/v1/kv/*key []");
  EXPECT_EQ(pattern_for(kGet, "/metrics"), "/metrics");
  EXPECT_EQ(pattern_for(net::HttpMethod::Head, "/v1/status/leader"), "/v1/status/leader");
}

TEST_CASE("what is no route is 404, another method of one 405, a broken escape an error") {
  constexpr auto kGet = net::HttpMethod::Get;
  for (const char* path : {"/", "/v1", "/v1/", "/v1/catalog", "/v1/catalog/nodes/", "/v1/catalog/service/",
                           "/v1/catalog/service/a/b", "/v1/kv", "//v1/catalog/nodes", "v1/catalog/nodes", "*", ""}) {
    EXPECT_EQ(pattern_for(kGet, path), "404");
  }
  EXPECT_EQ(pattern_for(kGet, "/v1/agent/check/pass/x"), "405");
  EXPECT_EQ(pattern_for(net::HttpMethod::Put, "/v1/catalog/nodes"), "405");
  EXPECT_EQ(pattern_for(kGet, "/v1/catalog/service/%zz"), "error");
  const auto kv = find_route(net::HttpMethod::Post, "/v1/kv/a");
  EXPECT_EQ(kv->allowed.size(), 3U);
}

TEST_CASE("each parameter of a route is described, and none is described in vain") {
  std::set<std::string> known;
  for (const Parameter& parameter : parameters()) known.emplace(parameter.name);
  EXPECT_EQ(known.size(), parameters().size());
  std::set<std::string> used = {"index", "wait", "stale", "consistent", "dc", "pretty"};
  for (const Route& route : routes()) {
    std::istringstream names{std::string(route.parameters)};
    for (std::string name; names >> name;) used.insert(name);
  }
  EXPECT(used == known);
}

TEST_CASE("no two routes have the same method and path") {
  std::set<std::pair<net::HttpMethod, std::string_view>> seen;
  for (const Route& route : routes()) EXPECT(seen.emplace(route.method, route.path).second);
}

TEST_CASE("docs/api.md is what the table says") {
  const std::string path = MESH_SOURCE_ROOT "/docs/api.md";
  if (std::getenv("MESH_UPDATE") != nullptr) std::ofstream(path) << api_page();
  std::ifstream in(path);
  std::ostringstream text;
  text << in.rdbuf();
  EXPECT_EQ(text.str(), api_page());
}

}  // namespace mesh::agent
