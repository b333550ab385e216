#include "agent/http_api/read_headers.h"

#include <algorithm>

namespace mesh::agent {

void add_read_headers(net::HttpResponse& response, const ReadHeaders& headers) {
  response.headers.add("X-Consul-Index", std::to_string(std::max<std::uint64_t>(headers.index, 1)));
  response.headers.add("X-Consul-KnownLeader", headers.known_leader ? "true" : "false");
  response.headers.add("X-Consul-LastContact", std::to_string(std::max<std::int64_t>(to_millis(headers.last_contact), 0)));
}

}  // namespace mesh::agent
