// Finds the handler of a request in the table of route_list.h. Pure; any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "agent/http_api/route_list.h"
#include "base/result.h"
#include "net/http1/message.h"

namespace mesh::agent {

class Call;
class Reading;

enum class Scope : std::uint8_t { Own, Shared };

// Fills in the reading; an error becomes the answer. May be called many times for one request.
using ReadHandler = Status (*)(Reading&);
// Owns the call and answers it now or later.
using ActHandler = void (*)(std::unique_ptr<Call>);

struct Route {
  net::HttpMethod method;
  std::string_view path;
  std::string_view parameters;
  std::string_view doc;
  Scope scope = Scope::Own;
  std::variant<ReadHandler, ActHandler> handler;

  [[nodiscard]] bool blocking() const { return scope == Scope::Shared; }
};

namespace handlers {
#define MESH_DECLARE_READ(scope, method, path, handler, parameters, doc) Status handler(Reading& reading);
#define MESH_DECLARE_ACT(method, path, handler, parameters, doc) void handler(std::unique_ptr<Call> call);
MESH_ROUTES(MESH_DECLARE_READ, MESH_DECLARE_ACT)
#undef MESH_DECLARE_READ
#undef MESH_DECLARE_ACT
}  // namespace handlers

[[nodiscard]] std::span<const Route> routes();

struct Routed {
  const Route* route = nullptr;           // null: not found, or not with this method
  std::vector<std::string> arguments;     // decoded
  std::vector<net::HttpMethod> allowed;   // if the path is known but not with this method; for Allow
};

// HEAD finds what GET finds. Invalid: a segment that does not decode.
[[nodiscard]] Result<Routed> find_route(net::HttpMethod method, std::string_view path);

// The page docs/api.md.
[[nodiscard]] std::string api_page();

struct Parameter {
  std::string_view name;
  std::string_view doc;
};
// All parameters that routes may name, sorted.
[[nodiscard]] std::span<const Parameter> parameters();

}  // namespace mesh::agent
