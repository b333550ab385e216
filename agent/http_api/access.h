// Who may do what through this agent's HTTP API, before any handler sees a request. Reading is free to whoever reaches
// the listener. Writing needs, unless the cluster's default action is allow: root or the trusted group on the unix
// socket (the kernel says who that is), or a token that the servers know. Pure; any thread.
//
// A browser that a foreign page turned onto the loopback address by DNS ("rebinding") still sends that page's name as
// Host; such requests are refused.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "net/http1/message.h"
#include "net/http1/server.h"
#include "net/url.h"

namespace mesh::agent {

struct ApiCaller {
  bool trusted = false;  // by the kernel's word
  std::string token;     // as given; not checked
};

struct AccessRules {
  std::optional<gid_t> trusted_group;  // beside root and the daemon's own user
  std::string domain = "mesh";         // names below it may stand in Host
};

[[nodiscard]] ApiCaller caller_of(const net::HttpRequest& request, const net::QueryParameters& query,
                                  const net::HttpPeer& peer, const AccessRules& rules);

// Denied: the Host of a request over a loopback address is a name that others could have made.
[[nodiscard]] Status check_host(const net::HttpRequest& request, const net::HttpPeer& peer, const AccessRules& rules);

enum class WriteAccess { Granted, NeedsTokenCheck, Denied };
[[nodiscard]] WriteAccess write_access(const ApiCaller& caller, bool default_allow);

// What a caller is told who may not write.
[[nodiscard]] Error write_denied();

}  // namespace mesh::agent
