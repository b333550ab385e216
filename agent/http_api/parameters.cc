#include <algorithm>
#include <array>

#include "agent/http_api/routes.h"

namespace mesh::agent {
namespace {

constexpr std::array kParameters = {
    Parameter{"acquire", "locks of sessions are not offered yet: refused"},
    Parameter{"cas", "only if the entry's ModifyIndex is this; 0: only if there is none"},
    Parameter{"consistent", "the leader confirms with a quorum first"},
    Parameter{"dc", "datacenter; another one than the agent's is refused"},
    Parameter{"destination", "service called, or *"},
    Parameter{"filter", "expressions are not offered yet: refused"},
    Parameter{"flags", "a number kept with the value"},
    Parameter{"index", "wait until there is something newer than this index"},
    Parameter{"keys", "keys alone"},
    Parameter{"near", "order by distance; ignored"},
    Parameter{"node-meta", "only nodes with this pair, KEY:VALUE; may be repeated"},
    Parameter{"note", "output of the check"},
    Parameter{"passing", "only instances whose checks all pass"},
    Parameter{"pretty", "indented JSON"},
    Parameter{"raw", "the bare value"},
    Parameter{"recurse", "everything with the key as prefix"},
    Parameter{"release", "locks of sessions are not offered yet: refused"},
    Parameter{"replace-existing-checks", "checks of the service that are not given are removed"},
    Parameter{"separator", "with keys: cut behind its first occurrence after the prefix"},
    Parameter{"source", "service, * or node/NAME that calls"},
    Parameter{"stale", "from what this agent knows, also when no server answers"},
    Parameter{"tag", "only instances with this tag; may be repeated"},
    Parameter{"wait", "at most this long, as 10s or 1m30s; default 5m, at most 10m, and up to a sixteenth more"},
    Parameter{"wan", "servers of all datacenters: empty, there is one"},
};

std::string method_of(const Route& route) { return std::string(net::method_name(route.method)); }

std::string parameters_of(const Route& route) {
  std::string out;
  std::string_view rest = route.parameters;
  while (!rest.empty()) {
    const std::string_view name = rest.substr(0, rest.find(' '));
    rest.remove_prefix(std::min(rest.size(), name.size() + 1));
    out += out.empty() ? "`" : ", `";
    out += name;
    out += '`';
  }
  return out;
}

}  // namespace

std::span<const Parameter> parameters() { return kParameters; }

std::string api_page() {
  std::string out =
      "# HTTP API\n\n"
      "Generated from agent/http_api/route_list.h. Paths, fields, headers and semantics are Consul's. Reads of shared data\n"
      "(marked *) also take `index`, `wait`, `stale`, `consistent` and `dc`, answer with `X-Consul-Index`,\n"
      "`X-Consul-KnownLeader` and `X-Consul-LastContact`, and block when `index` is given. All take `pretty`.\n\n"
      "| method | path | parameters | what |\n| --- | --- | --- | --- |\n";
  for (const Route& route : routes()) {
    out += "| " + method_of(route) + (route.blocking() ? " * | `" : " | `") + std::string(route.path) + "` | " +
           parameters_of(route) + " | " + std::string(route.doc) + " |\n";
  }
  out += "\n| parameter | meaning |\n| --- | --- |\n";
  for (const Parameter& parameter : parameters()) {
    out += "| `" + std::string(parameter.name) + "` | " + std::string(parameter.doc) + " |\n";
  }
  out +=
      "\nErrors are one line of text. 400: the request, with the field and the reason. 404: no such path or thing. 405: the\n"
      "path with another method, see `Allow`. 413: too large. 429: a limit of the agent. 500: no leader, no answer in time,\n"
      "another datacenter, as Consul answers. `X-Mesh-Error` holds the kind as one word. A client that says\n"
      "how long it waits (`X-Mesh-Timeout: 2s`) is told shortly before that what did not answer.\n";
  return out;
}

}  // namespace mesh::agent
