#include "agent/callers/rule_finder.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <set>

#include "agent/callers/shared_unit.h"

namespace mesh::agent {

namespace {

// path: of the cgroup below the root; empty: none is named.
std::uint32_t rank_of(std::string_view path, bool user, bool written) {
  const auto depth = path.empty() ? 0 : 1 + std::count(path.begin(), path.end(), '/');
  return static_cast<std::uint32_t>(depth) * 4 + (user ? 2U : 0U) + (written ? 1U : 0U);
}

void name_folder(const CgroupTree& tree, std::string_view path, proxy::ProcessRule& rule) {
  rule.folder = tree.root() + "/" + std::string(path);
  if (const Cgroup* folder = tree.find_path(path); folder != nullptr) rule.cgroups = tree.ids_of(*folder);
}

bool has_rule(const ServiceProcess& service) { return service.rule != model::ProcessMatch{}; }

Result<uid_t> uid_of(HostView& host, const std::string& user) {
  uid_t number = 0;
  const auto [end, failure] = std::from_chars(user.data(), user.data() + user.size(), number);
  if (failure == std::errc{} && end == user.data() + user.size()) return number;
  return host.uid_of(user);
}

// The other service in the set; empty: there is none.
std::string other_than(const std::set<std::string>& services, const std::string& one) {
  for (const std::string& service : services)
    if (service != one) return service;
  return {};
}

}  // namespace

// One look at the host.
struct RuleFinder::Round {
  explicit Round(HostView& view) : host(view) {}

  // Read when first needed: many hosts need none of it.
  const CgroupTree& cgroups() {
    if (!tree) tree = host.cgroups();
    return *tree;
  }
  void note(const ServiceProcess& service, bool to_fix, std::string text) {
    notes.emplace(service.id, CallerNote{service.service, std::move(text), to_fix});
  }

  HostView& host;
  std::optional<CgroupTree> tree;
  std::map<std::string, std::set<std::string>> services_of_unit;
  std::map<uid_t, std::set<std::string>> services_of_user;
  std::vector<proxy::ProcessRule> rules;
  std::vector<std::string> guarded;
  std::map<std::string, CallerNote> notes;
};

FoundRules RuleFinder::find(const std::vector<ServiceProcess>& services) {
  Round round(*host_);
  std::set<std::string> ids;
  for (const ServiceProcess& service : services) {
    ids.insert(service.id);
    if (has_rule(service)) find_written(round, service);
    else look_at_listener(round, service);
  }
  std::erase_if(listeners_, [&](const auto& known) { return !ids.contains(known.first); });
  for (const ServiceProcess& service : services)
    if (!has_rule(service)) find_default(round, service);
  std::erase_if(units_, [&](const auto& known) { return !round.services_of_unit.contains(known.first); });
  return {std::make_shared<const proxy::ProcessRules>(std::move(round.rules), std::move(round.guarded),
                                                      round.tree ? round.tree->ids() : std::vector<std::uint64_t>()),
          std::move(round.notes)};
}

// Path of the rule's cgroup below the root.
std::string_view RuleFinder::below_root(Round& round, const proxy::ProcessRule& rule) {
  if (rule.folder.empty()) return {};
  return std::string_view(rule.folder).substr(round.cgroups().root().size() + 1);
}

bool RuleFinder::name_unit(Round& round, const std::string& unit, proxy::ProcessRule& rule) {
  const Cgroup* folder = round.cgroups().find_unit(unit);
  if (folder != nullptr) units_.insert_or_assign(unit, folder->path);
  const auto known = units_.emplace(unit, "system.slice/" + unit).first;  // where the system manager puts most of them
  name_folder(round.cgroups(), known->second, rule);
  return folder != nullptr;
}

// ---- what the definition says ----

void RuleFinder::find_written(Round& round, const ServiceProcess& service) {
  const model::ProcessMatch& match = service.rule;
  round.guarded.push_back(service.service);
  proxy::ProcessRule rule;
  rule.service = service.service;
  if (!match.user.empty()) {
    const auto uid = uid_of(round.host, match.user);
    if (!uid.ok()) return round.note(service, true, uid.error().message);
    rule.uid = *uid;
    round.services_of_user[*uid].insert(service.service);
  }
  if (!match.unit.empty()) {
    round.services_of_unit[match.unit].insert(service.service);
    if (!name_unit(round, match.unit, rule)) round.note(service, false, fmt::format("the unit {} does not run", match.unit));
  } else if (!match.cgroup.empty()) {
    const std::string_view path = std::string_view(match.cgroup).substr(match.cgroup.starts_with('/') ? 1 : 0);
    name_folder(round.cgroups(), path, rule);
    if (rule.cgroups.empty()) round.note(service, false, fmt::format("there is no cgroup {}", match.cgroup));
  }
  rule.rank = rank_of(below_root(round, rule), rule.uid.has_value(), true);
  round.rules.push_back(std::move(rule));
}

// ---- the default ----

void RuleFinder::look_at_listener(Round& round, const ServiceProcess& service) {
  for (const net::Address& where : service.listens) {
    const auto found = round.host.listener_at(where);
    if (!found.ok()) continue;
    Listener seen{found->uid, {}, {}};
    const Cgroup* cgroup = found->cgroup_id ? round.cgroups().find(*found->cgroup_id) : nullptr;
    if (cgroup != nullptr) (stands_for_itself(cgroup->unit) ? seen.unit : seen.place) = cgroup->unit;
    listeners_.insert_or_assign(service.id, std::move(seen));
    break;
  }
  const auto known = listeners_.find(service.id);
  if (known == listeners_.end()) return;
  if (!known->second.unit.empty()) round.services_of_unit[known->second.unit].insert(service.service);
  if (known->second.uid) round.services_of_user[*known->second.uid].insert(service.service);
}

void RuleFinder::find_default(Round& round, const ServiceProcess& service) {
  const auto known = listeners_.find(service.id);
  if (known == listeners_.end()) return round.note(service, false, "nothing has listened on its ports yet");
  const std::string& unit = known->second.unit;
  if (!unit.empty() && round.services_of_unit[unit].size() == 1) return use_unit(round, service, known->second);
  use_user(round, service, known->second);
}

void RuleFinder::use_unit(Round& round, const ServiceProcess& service, const Listener& listener) {
  proxy::ProcessRule rule;
  rule.service = service.service;
  if (listener.uid && *listener.uid != 0) rule.uid = listener.uid;
  if (!name_unit(round, listener.unit, rule)) round.note(service, false, fmt::format("the unit {} does not run", listener.unit));
  rule.rank = rank_of(below_root(round, rule), false, false);  // nobody has written the user: a written rule comes first
  round.rules.push_back(std::move(rule));
}

void RuleFinder::use_user(Round& round, const ServiceProcess& service, const Listener& listener) {
  const auto& [uid, unit, place] = listener;
  if (!uid) return round.note(service, true, "the kernel does not tell which user listens on its port");
  if (*uid == 0 && place == "init.scope")
    return round.note(service, true, "the system manager listens on its port (socket activation), so its processes cannot be told by it");
  if (*uid == 0 && !place.empty())
    return round.note(service, true, fmt::format("root listens on its port in {}, which runs programs of others too", place));
  if (*uid == 0 && !unit.empty())
    return round.note(service, true, fmt::format("root listens on its port in {}, which is the unit of {} too", unit,
                                                 other_than(round.services_of_unit[unit], service.service)));
  if (*uid == 0) return round.note(service, true, "root listens on its port, and not every process of root is the service");
  if (const std::string other = other_than(round.services_of_user[*uid], service.service); !other.empty())
    return round.note(service, true, fmt::format("the user {} that listens on its port runs {} too", *uid, other));
  round.rules.push_back({.service = service.service, .uid = *uid, .folder = {}, .cgroups = {}, .rank = rank_of({}, true, false)});
}

}  // namespace mesh::agent
