#include <algorithm>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include "agent/dns/resolve.h"

namespace mesh::dns {
namespace {

bool has_tag(const Instance& instance, std::string_view tag) {
  return std::any_of(instance.tags.begin(), instance.tags.end(),
                     [&](const std::string& own) { return equal_ignoring_case(own, tag); });
}

std::vector<Instance> usable_instances(const Lookup& lookup) {
  std::vector<Instance> instances;
  lookup.zone.instances(lookup.location.name, instances);
  const std::string& tag = lookup.location.tag;
  std::erase_if(instances, [&](const Instance& instance) {
    if (instance.health == Health::Critical) return true;
    if (lookup.settings.only_passing && instance.health != Health::Passing) return true;
    return !tag.empty() && !has_tag(instance, tag);
  });
  return instances;
}

std::string_view host_of(const Instance& instance) {
  return instance.address.empty() ? instance.node_address : instance.address;
}

// A place that SRV records point to: one name, one or more ports.
struct Target {
  Name name;
  std::string address;  // bytes; empty: the name lies outside and has its own records
};

std::optional<Target> target_of(const Lookup& lookup, const Instance& instance) {
  Target target{.name = {}, .address = ip_bytes(host_of(instance))};
  if (target.address.empty()) {
    const auto name = Name::from_text(host_of(instance));
    if (!name.ok() || name->label_count() == 0) return std::nullopt;
    target.name = *name;
    return target;
  }
  auto name = instance.address.empty() ? node_name(lookup, instance.node) : std::nullopt;
  if (!name) name = address_name(lookup, target.address);
  if (!name) return std::nullopt;
  target.name = *name;
  return target;
}

auto srv_key(const Instance& instance) {
  return std::make_tuple(instance.node, host_of(instance), instance.address.empty(), instance.port);
}

bool same_target(const Instance& a, const Instance& b) {
  return host_of(a) == host_of(b) && (!a.address.empty() || !b.address.empty() || a.node == b.node);
}

// An SRV record that was written, and where its target's name stands (0: too far for a pointer).
struct Written {
  const Instance* instance;
  std::uint16_t target_place;
};

void add_target_addresses(Lookup& lookup, std::span<const Written> written, std::uint32_t ttl_s) {
  for (std::size_t i = 0; i < written.size(); ++i) {
    const auto same = [&](const Written& other) { return same_target(*other.instance, *written[i].instance); };
    constexpr std::size_t kLookBack = 16;  // enough for a few ports on a host; a repeated address does no harm
    const auto recent = written.subspan(i > kLookBack ? i - kLookBack : 0, std::min(i, kLookBack));
    if (std::any_of(recent.begin(), recent.end(), same)) continue;
    const auto target = target_of(lookup, *written[i].instance);
    if (!target || target->address.empty()) continue;
    const Owner owner = written[i].target_place != 0 ? Owner(written[i].target_place) : Owner(target->name);
    if (!lookup.writer.add_address(Section::Additional, owner, ttl_s, target->address)) return;
  }
}

std::vector<Written> add_srv_records(Lookup& lookup, std::vector<Instance>& instances, std::uint32_t ttl_s) {
  const auto less = [](const Instance& a, const Instance& b) { return srv_key(a) < srv_key(b); };
  const auto same = [](const Instance& a, const Instance& b) { return srv_key(a) == srv_key(b); };
  std::sort(instances.begin(), instances.end(), less);
  instances.erase(std::unique(instances.begin(), instances.end(), same), instances.end());
  lookup.rng.shuffle(std::span(instances));
  std::vector<Written> written;
  for (const Instance& instance : instances) {
    const auto target = target_of(lookup, instance);
    if (!target) continue;
    const Srv srv{.priority = 1, .weight = instance.weight, .port = instance.port};
    const auto place = lookup.writer.add_srv(lookup.owner, ttl_s, srv, target->name);
    if (!place) {
      lookup.truncated = true;
      break;
    }
    written.push_back({&instance, *place});
  }
  return written;
}

Found add_node_meta(Lookup& lookup, const std::vector<Instance>& instances, std::uint32_t ttl_s) {
  std::vector<std::string_view> nodes;
  for (const Instance& instance : instances) nodes.push_back(instance.node);
  std::sort(nodes.begin(), nodes.end());
  nodes.erase(std::unique(nodes.begin(), nodes.end()), nodes.end());
  Found found = Found::NoData;
  for (std::string_view name : nodes) {
    const auto node = lookup.zone.node(name);
    if (node && add_meta(lookup, *node, ttl_s) == Found::Records) found = Found::Records;
    if (lookup.truncated) break;
  }
  return found;
}

}  // namespace

Found resolve_service(Lookup& lookup) {
  std::vector<Instance> instances = usable_instances(lookup);
  if (instances.empty()) return Found::NoName;
  const std::uint32_t ttl_s = ttl_seconds(lookup.settings.ttl_of(lookup.location.name));
  if (lookup.question.type == static_cast<std::uint16_t>(Type::Txt)) return add_node_meta(lookup, instances, ttl_s);
  std::vector<std::string_view> hosts;
  for (const Instance& instance : instances) hosts.push_back(host_of(instance));
  Found found = Found::NoData;
  if (!lookup.wants(Type::Srv) || lookup.wants(Type::A)) found = add_hosts(lookup, hosts, ttl_s);
  if (found == Found::Alias) return found;
  if (lookup.wants(Type::Srv) && !lookup.truncated) {
    const auto written = add_srv_records(lookup, instances, ttl_s);
    if (!written.empty() || lookup.truncated) found = Found::Records;
    add_target_addresses(lookup, written, ttl_s);
  }
  return found;
}

}  // namespace mesh::dns
