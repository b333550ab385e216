#include "agent/http_api/routes.h"

#include <algorithm>

#include "net/url.h"

namespace mesh::agent {
namespace {

#define MESH_READ_ROW(scope, method, path, handler, parameters, doc) \
  Route{net::HttpMethod::method, path, parameters, doc, Scope::scope, &handlers::handler},
#define MESH_ACT_ROW(method, path, handler, parameters, doc) \
  Route{net::HttpMethod::method, path, parameters, doc, Scope::Own, &handlers::handler},
const Route kRoutes[] = {MESH_ROUTES(MESH_READ_ROW, MESH_ACT_ROW)};
#undef MESH_READ_ROW
#undef MESH_ACT_ROW

// The first segment of `path` (without its slash), which is cut off from it.
std::string_view take_segment(std::string_view& path) {
  path.remove_prefix(1);
  const std::string_view segment = path.substr(0, path.find('/'));
  path.remove_prefix(segment.size());
  return segment;
}

// Whether the path fits; its arguments are appended as they are.
bool fits(std::string_view pattern, std::string_view path, std::vector<std::string_view>& arguments) {
  while (!pattern.empty()) {
    if (pattern.starts_with("/*")) {
      if (path.empty()) return false;
      arguments.push_back(path.substr(1));
      return true;
    }
    if (path.empty()) return false;
    const std::string_view expected = take_segment(pattern);
    const std::string_view segment = take_segment(path);
    if (expected.starts_with(':')) {
      if (segment.empty()) return false;
      arguments.push_back(segment);
    } else if (expected != segment) {
      return false;
    }
  }
  return path.empty();
}

}  // namespace

std::span<const Route> routes() { return kRoutes; }

Result<Routed> find_route(net::HttpMethod method, std::string_view path) {
  Routed routed;
  if (!path.starts_with('/')) return routed;
  if (method == net::HttpMethod::Head) method = net::HttpMethod::Get;
  std::vector<std::string_view> arguments;
  for (const Route& route : kRoutes) {
    arguments.clear();
    if (!fits(route.path, path, arguments)) continue;
    if (route.method != method) {
      routed.allowed.push_back(route.method);
      continue;
    }
    routed.route = &route;
    for (std::string_view argument : arguments) {
      MESH_TRY(decoded, net::percent_decode(argument));
      routed.arguments.push_back(std::move(decoded));
    }
    return routed;
  }
  return routed;
}

}  // namespace mesh::agent
