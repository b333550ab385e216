#include "agent/dns/settings.h"

namespace mesh::dns {

// The longest matching key wins, so that an exact one beats every prefix.
Duration Settings::ttl_of(std::string_view service) const {
  Duration best = service_ttl;
  std::size_t best_size = 0;
  for (const auto& [key, ttl] : service_ttls) {
    const bool prefix = key.ends_with('*');
    const std::string_view text = std::string_view(key).substr(0, key.size() - (prefix ? 1 : 0));
    const std::string_view head = prefix ? service.substr(0, text.size()) : service;
    if (!equal_ignoring_case(head, text) || key.size() < best_size) continue;
    if (!prefix) return ttl;
    best = ttl;
    best_size = key.size();
  }
  return best;
}

}  // namespace mesh::dns
