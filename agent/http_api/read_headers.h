// The headers of every answer about replicated data. Consul's Go client stops at the first that is missing.
#pragma once

#include <cstdint>

#include "base/time.h"
#include "net/http1/message.h"

namespace mesh::agent {

struct ReadHeaders {
  std::uint64_t index = 0;      // written as at least 1: a client that sends 0 back would not block
  bool known_leader = false;
  Duration last_contact{0};     // age of the answer; 0 unless stale
};

void add_read_headers(net::HttpResponse& response, const ReadHeaders& headers);

}  // namespace mesh::agent
