#include "agent/http_api/access.h"

#include <unistd.h>

#include <algorithm>

namespace mesh::agent {
namespace {

constexpr std::string_view kBearer = "Bearer ";

// Consul's places of a token, the strongest first.
std::string token_of(const net::HttpRequest& request, const net::QueryParameters& query) {
  if (const auto given = query.get("token"); given && !given->empty()) return std::string(*given);
  if (const auto given = request.headers.get("X-Consul-Token"); given && !given->empty()) return std::string(*given);
  const auto given = request.headers.get("Authorization").value_or("");
  return given.starts_with(kBearer) ? std::string(given.substr(kBearer.size())) : std::string();
}

bool is_trusted(const net::HttpPeer& peer, const AccessRules& rules) {
  if (!peer.credentials) return false;
  const net::PeerCredentials& who = *peer.credentials;
  if (who.uid == 0 || who.uid == geteuid()) return true;
  if (!rules.trusted_group) return false;
  return who.gid == *rules.trusted_group || std::find(who.groups.begin(), who.groups.end(), *rules.trusted_group) != who.groups.end();
}

// Without port and a trailing dot.
std::string_view host_name(std::string_view host) {
  if (host.starts_with('[')) return host.substr(0, host.find(']') + 1);
  host = host.substr(0, host.find(':'));
  if (host.ends_with('.')) host.remove_suffix(1);
  return host;
}

bool is_below(std::string_view name, std::string_view domain) {
  return name.size() > domain.size() && name[name.size() - domain.size() - 1] == '.' &&
         net::equals_ignore_case(name.substr(name.size() - domain.size()), domain);
}

}  // namespace

ApiCaller caller_of(const net::HttpRequest& request, const net::QueryParameters& query, const net::HttpPeer& peer,
                    const AccessRules& rules) {
  return {is_trusted(peer, rules), token_of(request, query)};
}

Status check_host(const net::HttpRequest& request, const net::HttpPeer& peer, const AccessRules& rules) {
  if (peer.local.is_unix() || !peer.local.address().ip.is_loopback()) return {};
  const std::string_view name = host_name(request.headers.get("Host").value_or(""));
  // A name without a dot is nobody's in public DNS.
  if (name.find('.') == std::string_view::npos || name.starts_with('[') || net::IpAddress::parse(name).ok()) return {};
  for (const std::string_view domain : {std::string_view("localhost"), std::string_view("consul"), std::string_view(rules.domain)}) {
    if (is_below(name, domain)) return {};
  }
  return error(Code::Denied, "Host: \"{}\" is no name of this agent; use its IP address, localhost or a name below .{}",
               name, rules.domain);
}

WriteAccess write_access(const ApiCaller& caller, bool default_allow) {
  if (default_allow || caller.trusted) return WriteAccess::Granted;
  return caller.token.empty() ? WriteAccess::Denied : WriteAccess::NeedsTokenCheck;
}

Error write_denied() {
  return error(Code::Denied, "Permission denied: writing needs a token (header X-Consul-Token), or root or group mesh "
                             "on the agent's unix socket");
}

}  // namespace mesh::agent
