#include "agent/dns/resolve.h"

#include <algorithm>
#include <vector>

namespace mesh::dns {
namespace {

struct SortedHosts {
  std::vector<std::string> addresses;  // bytes, of a wanted family
  std::vector<std::string_view> names;
  bool has_address = false;            // of any family
};

SortedHosts sort_hosts(const Lookup& lookup, std::span<std::string_view> hosts) {
  std::sort(hosts.begin(), hosts.end());
  const auto end = std::unique(hosts.begin(), hosts.end());
  SortedHosts out;
  for (auto host = hosts.begin(); host != end; ++host) {
    std::string bytes = ip_bytes(*host);
    if (bytes.empty()) {
      if (!host->empty()) out.names.push_back(*host);
      continue;
    }
    out.has_address = true;
    if (lookup.wants(bytes.size() == 4 ? Type::A : Type::Aaaa)) out.addresses.push_back(std::move(bytes));
  }
  return out;
}

// For a host name: one CNAME, and what it leads to if that is ours.
Found add_cname(Lookup& lookup, std::string_view host, std::uint32_t ttl_s) {
  const auto target = Name::from_text(host);
  if (!target.ok() || target->label_count() == 0) return Found::NoData;
  const auto place = lookup.writer.add_name(Section::Answer, lookup.owner, Type::Cname, ttl_s, *target);
  if (!place) {
    lookup.truncated = true;
    return Found::Alias;
  }
  const Question next{*target, lookup.question.type, lookup.question.klass};
  const Location location = locate(next.name, lookup.settings);
  // CNAME itself was asked for; or ANY, for which any part of the truth will do (RFC 8482).
  const bool enough = lookup.wants(Type::Cname) || target->equals(lookup.question.name);
  if (location.domain == nullptr || enough || lookup.cname_depth + 1 >= kCnameChainMax) return Found::Alias;
  const Owner owner = *place != 0 ? Owner(*place) : Owner(next.name);
  Lookup inner{next,          location, lookup.zone,            lookup.settings, lookup.rng,
               lookup.writer, owner,    lookup.cname_depth + 1, lookup.truncated};
  (void)resolve(inner);  // a dangling CNAME is still an answer
  return Found::Alias;
}

std::optional<Name> under_domain(const Lookup& lookup, Name name, std::string_view kind) {
  if (!name.append(kind) || !name.append(lookup.settings.datacenter) || !name.append(lookup.domain())) {
    return std::nullopt;
  }
  return name;
}

}  // namespace

Found resolve(Lookup& lookup) {
  switch (lookup.location.place) {
    case Place::Apex: return resolve_apex(lookup);
    case Place::Service: return resolve_service(lookup);
    case Place::Node: return resolve_node(lookup);
    case Place::Mesh: return resolve_mesh(lookup);
    case Place::Address: return resolve_address(lookup);
    case Place::Reverse: return resolve_reverse(lookup);
    case Place::Structure: return Found::NoData;
    case Place::Nowhere:
    case Place::OtherDatacenter:
    case Place::Outside: return Found::NoName;
  }
  return Found::NoName;
}

Found resolve_apex(Lookup& lookup) {
  bool any = false;
  if (lookup.wants(Type::Soa)) {
    const Soa soa = soa_of(lookup);
    any = true;
    if (!lookup.writer.add_soa(Section::Answer, lookup.owner, ttl_seconds(lookup.settings.node_ttl), soa)) {
      lookup.truncated = true;
    }
  }
  if (lookup.wants(Type::Ns)) {
    const Soa soa = soa_of(lookup);
    const std::uint32_t ttl_s = ttl_seconds(lookup.settings.node_ttl);
    const auto place = lookup.writer.add_name(Section::Answer, lookup.owner, Type::Ns, ttl_s, soa.primary);
    any = true;
    if (!place) lookup.truncated = true;
    const auto self = lookup.zone.node(lookup.settings.node);
    const std::string address = self ? ip_bytes(self->address) : std::string();
    if (place && !address.empty()) {
      (void)lookup.writer.add_address(Section::Additional, soa.primary, ttl_s, address);
    }
  }
  return any ? Found::Records : Found::NoData;
}

Found resolve_node(Lookup& lookup) {
  const auto node = lookup.zone.node(lookup.location.name);
  if (!node) return Found::NoName;
  const std::uint32_t ttl_s = ttl_seconds(lookup.settings.node_ttl);
  std::string_view host = node->address;
  const Found hosts = add_hosts(lookup, {&host, 1}, ttl_s);
  if (hosts == Found::Alias) return Found::Alias;
  const Found meta = lookup.wants(Type::Txt) ? add_meta(lookup, *node, ttl_s) : Found::NoData;
  return hosts == Found::Records || meta == Found::Records ? Found::Records : Found::NoData;
}

Found resolve_mesh(Lookup& lookup) {
  const auto address = lookup.zone.mesh_address(lookup.location.name);
  if (!address) {
    // The datacenter's own name is the way to NAME.service.DC.
    return equal_ignoring_case(lookup.location.name, lookup.settings.datacenter) ? Found::NoData : Found::NoName;
  }
  std::string_view host = *address;
  return add_hosts(lookup, {&host, 1}, ttl_seconds(lookup.settings.ttl_of(lookup.location.name)));
}

Found resolve_address(Lookup& lookup) {
  const std::string& bytes = lookup.location.address;
  if (!lookup.wants(bytes.size() == 4 ? Type::A : Type::Aaaa)) return Found::NoData;
  const std::uint32_t ttl_s = ttl_seconds(lookup.settings.node_ttl);
  if (!lookup.writer.add_address(Section::Answer, lookup.owner, ttl_s, bytes)) lookup.truncated = true;
  return Found::Records;
}

Found resolve_reverse(Lookup& lookup) {
  std::vector<std::string> names;
  lookup.zone.names_of(ip_text(lookup.location.address), names);
  if (names.empty()) return Found::NoName;
  if (!lookup.wants(Type::Ptr)) return Found::NoData;
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
  for (const std::string& text : names) {
    auto name = Name::from_text(text);
    if (!name.ok() || !name->append(lookup.settings.domains[0])) continue;
    const std::uint32_t ttl_s = ttl_seconds(lookup.settings.node_ttl);
    if (!lookup.writer.add_name(Section::Answer, lookup.owner, Type::Ptr, ttl_s, *name)) {
      lookup.truncated = true;
      break;
    }
  }
  return Found::Records;
}

Found add_hosts(Lookup& lookup, std::span<std::string_view> hosts, std::uint32_t ttl_s) {
  SortedHosts sorted = sort_hosts(lookup, hosts);
  if (!sorted.has_address && !sorted.names.empty()) {
    const bool asked = lookup.wants(Type::A) || lookup.wants(Type::Aaaa) || lookup.wants(Type::Cname);
    if (!asked) return Found::NoData;
    return add_cname(lookup, sorted.names[lookup.rng.below(sorted.names.size())], ttl_s);
  }
  lookup.rng.shuffle(std::span(sorted.addresses));
  if (lookup.settings.a_record_limit != 0 && sorted.addresses.size() > lookup.settings.a_record_limit) {
    sorted.addresses.resize(lookup.settings.a_record_limit);
  }
  for (const std::string& address : sorted.addresses) {
    if (!lookup.writer.add_address(Section::Answer, lookup.owner, ttl_s, address)) {
      lookup.truncated = true;
      break;
    }
  }
  return sorted.addresses.empty() ? Found::NoData : Found::Records;
}

Found add_meta(Lookup& lookup, const Node& node, std::uint32_t ttl_s) {
  constexpr std::string_view kValueOnly = "rfc1035-";
  for (const auto& [key, value] : *node.meta) {
    const std::string text = key.starts_with(kValueOnly) ? value : key + "=" + value;
    if (!lookup.writer.add_txt(Section::Answer, lookup.owner, ttl_s, text)) {
      lookup.truncated = true;
      break;
    }
  }
  return node.meta->empty() ? Found::NoData : Found::Records;
}

std::optional<Name> node_name(const Lookup& lookup, std::string_view node) {
  auto name = Name::from_text(node);
  if (!name.ok() || name->label_count() == 0) return std::nullopt;
  return under_domain(lookup, *name, "node");
}

std::optional<Name> address_name(const Lookup& lookup, std::string_view address_bytes) {
  Name name;
  if (!name.append(to_hex(address_bytes))) return std::nullopt;
  return under_domain(lookup, name, "addr");
}

Soa soa_of(const Lookup& lookup) {
  Soa soa;
  if (const auto name = node_name(lookup, lookup.settings.node)) {
    soa.primary = *name;
  } else if (!soa.primary.append("ns") || !soa.primary.append(lookup.domain())) {
    soa.primary = lookup.domain();
  }
  if (!soa.mailbox.append("hostmaster") || !soa.mailbox.append(lookup.domain())) soa.mailbox = lookup.domain();
  soa.serial = lookup.zone.serial();
  soa.refresh_s = ttl_seconds(lookup.settings.soa_refresh);
  soa.retry_s = ttl_seconds(lookup.settings.soa_retry);
  soa.expire_s = ttl_seconds(lookup.settings.soa_expire);
  soa.negative_ttl_s = ttl_seconds(lookup.settings.negative_ttl);
  return soa;
}

// RFC 2181 section 8: a TTL is 31 bits.
std::uint32_t ttl_seconds(Duration ttl) {
  constexpr std::int64_t kTtlMax = 0x7fffffff;
  return static_cast<std::uint32_t>(std::clamp<std::int64_t>(duration_cast<seconds>(ttl).count(), 0, kTtlMax));
}

}  // namespace mesh::dns
