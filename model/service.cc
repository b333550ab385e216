#include "model/service.h"

#include <arpa/inet.h>
#include <fmt/core.h>

#include <algorithm>
#include <charconv>
#include <map>

#include "model/names.h"

namespace mesh::model {

MESH_ENUM_TABLE(Protocol, MESH_PROTOCOL_VALUES)
MESH_MESSAGE_TABLE(ServicePort, MESH_SERVICE_PORT_FIELDS)
MESH_MESSAGE_TABLE(Weights, MESH_WEIGHTS_FIELDS)
MESH_MESSAGE_TABLE(ServiceAddress, MESH_SERVICE_ADDRESS_FIELDS)
MESH_MESSAGE_TABLE(ProcessMatch, MESH_PROCESS_MATCH_FIELDS)
MESH_MESSAGE_TABLE(Upstream, MESH_UPSTREAM_FIELDS)
MESH_MESSAGE_TABLE(ServiceDefinition, MESH_SERVICE_DEFINITION_FIELDS)
MESH_MESSAGE_TABLE(ServiceInstance, MESH_SERVICE_INSTANCE_FIELDS)
namespace {

constexpr std::size_t kUnixBindBytesMax = 107;  // sun_path with its end
constexpr std::size_t kUnitNameMax = 255;
constexpr std::size_t kCgroupPathMax = 4'096;
constexpr std::size_t kUserNameMax = 255;

// The start of a wrong value, for a message.
std::string_view shown(std::string_view value) { return value.substr(0, 64); }

bool is_ascii_alphanumeric(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

// Collects the faults of one definition.
class Faults {
 public:
  template <class... Args>
  void add(fmt::format_string<Args...> format, Args&&... args) {
    list_.push_back(fmt::format(format, std::forward<Args>(args)...));
  }
  void at_most(std::string_view field, std::size_t count, std::size_t max) {
    if (count > max) add("{}: {} entries, at most {}", field, count, max);
  }
  void name(std::string_view field, std::string_view value) {
    if (const std::string_view fault = name_fault(value); !fault.empty()) add("{} {}", field, fault);
  }
  std::vector<std::string> take() { return std::move(list_); }

 private:
  std::vector<std::string> list_;
};

std::string_view port_name_of(const ServicePort& port) {
  return port.name.empty() ? kMainPort : std::string_view(port.name);
}

void port_faults(const ServiceDefinition& definition, Faults& faults) {
  faults.at_most("ports", definition.ports.size(), kServicePortsMax);
  if (definition.port != 0 && !definition.ports.empty() && definition.ports[0].port != definition.port) {
    faults.add("port {} and ports[0].port {} differ; give only one of port and ports", definition.port,
               definition.ports[0].port);
  }
  for (std::size_t i = 0; i < definition.ports.size() && i < kServicePortsMax; ++i) {
    const ServicePort& port = definition.ports[i];
    if (port.port == 0) faults.add("ports[{}].port is missing", i);
    for (std::size_t j = 0; j < i; ++j) {
      const ServicePort& other = definition.ports[j];
      if (same_name(port_name_of(other), port_name_of(port))) {
        faults.add("ports[{}].name {} is used twice", i, port_name_of(port));
      }
      if (mesh_port_of(other) == mesh_port_of(port)) {
        faults.add("ports[{}].mesh_port {} is used twice", i, mesh_port_of(port));
      }
    }
  }
}

void meta_faults(const ServiceDefinition& definition, Faults& faults) {
  faults.at_most("meta", definition.meta.size(), kServiceMetaMax);
  for (const auto& [key, value] : definition.meta) {
    if (key.empty()) faults.add("meta holds an empty key");
    if (key.size() > kServiceMetaKeyMax) faults.add("meta key {}... is over {} bytes", key.substr(0, 32), kServiceMetaKeyMax);
    if (value.size() > kServiceMetaValueMax) faults.add("meta.{} is over {} bytes", key.substr(0, 64), kServiceMetaValueMax);
  }
}

void check_faults(const ServiceDefinition& definition, Faults& faults) {
  faults.at_most("checks", definition.checks.size(), kServiceChecksMax);
  if (definition.check) {
    if (const std::string fault = check_definition_fault(*definition.check); !fault.empty()) faults.add("check: {}", fault);
  }
  for (std::size_t i = 0; i < definition.checks.size(); ++i) {
    const std::string fault = check_definition_fault(definition.checks[i]);
    if (!fault.empty()) faults.add("checks[{}]: {}", i, fault);
  }
}

bool is_ip(const std::string& text) {
  in6_addr buffer{};
  return inet_pton(AF_INET, text.c_str(), &buffer) == 1 || inet_pton(AF_INET6, text.c_str(), &buffer) == 1;
}

bool is_port(std::string_view text) {
  unsigned port = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), port);
  return failure == std::errc{} && end == text.data() + text.size() && port >= 1 && port <= 65535;
}

// ADDRESS:PORT, with brackets around IPv6.
bool is_socket_address(std::string_view text) {
  const auto colon = text.rfind(':');
  if (colon == std::string_view::npos || !is_port(text.substr(colon + 1))) return false;
  const std::string_view ip = text.substr(0, colon);
  const bool brackets = ip.size() > 2 && ip.front() == '[' && ip.back() == ']';
  const bool v6 = ip.find(':') != std::string_view::npos;
  return brackets == v6 && is_ip(std::string(brackets ? ip.substr(1, ip.size() - 2) : ip));
}

void upstream_faults(const ServiceDefinition& definition, Faults& faults) {
  faults.at_most("upstreams", definition.upstreams.size(), kServiceUpstreamsMax);
  std::map<std::string_view, std::size_t> binds;
  for (std::size_t i = 0; i < definition.upstreams.size() && i < kServiceUpstreamsMax; ++i) {
    const std::string& bind = definition.upstreams[i].bind;
    faults.name(fmt::format("upstreams[{}].name", i), definition.upstreams[i].name);
    if (bind.empty()) continue;
    const bool path = bind.starts_with('/');
    if (path && bind.size() > kUnixBindBytesMax)
      faults.add("upstreams[{}].bind is a path of {} bytes; a unix socket's has at most {}", i, bind.size(), kUnixBindBytesMax);
    else if (path ? !text_fault(bind, kUnixBindBytesMax).empty() || bind.ends_with('/') : !is_socket_address(bind))
      faults.add("upstreams[{}].bind \"{}\" is no address to listen on; write it as 127.0.0.1:9191, [::1]:9191 or /run/web/db.sock",
                 i, shown(bind));
    if (const auto [at, fresh] = binds.emplace(bind, i); !fresh)
      faults.add("upstreams[{}].bind {} is that of upstreams[{}] too; give each its own", i, shown(bind), at->second);
  }
}

bool is_unit_name(std::string_view unit) {
  const auto good = [](char c) { return is_ascii_alphanumeric(c) || std::string_view(":-_.\\@").find(c) != std::string_view::npos; };
  return unit.size() <= kUnitNameMax && std::all_of(unit.begin(), unit.end(), good) &&
         (unit.ends_with(".service") || unit.ends_with(".scope"));
}

// Below the root of the tree, each part a name of its own.
bool is_cgroup_path(std::string_view path) {
  if (path.size() > kCgroupPathMax) return false;
  if (path.starts_with('/')) path.remove_prefix(1);
  for (;;) {
    const auto slash = path.find('/');
    const std::string_view part = path.substr(0, slash);
    if (part.empty() || part == "." || part == ".." || !text_fault(part, kCgroupPathMax).empty()) return false;
    if (slash == std::string_view::npos) return true;
    path.remove_prefix(slash + 1);
  }
}

void process_faults(const ProcessMatch& process, Faults& faults) {
  if (!process.unit.empty() && !is_unit_name(process.unit))
    faults.add("process.unit \"{}\" is no unit that runs processes; write it as web.service or web.scope", shown(process.unit));
  if (!process.cgroup.empty() && !is_cgroup_path(process.cgroup))
    faults.add("process.cgroup \"{}\" is no path below the root of the cgroup tree; write it as system.slice/web.service",
               shown(process.cgroup));
  if (!process.unit.empty() && !process.cgroup.empty())
    faults.add("process.unit and process.cgroup are both given; keep one");
  if (process.user.size() > kUserNameMax || process.user.find_first_of(":/ \t\n") != std::string::npos)
    faults.add("process.user \"{}\" is no user; write a name or a number", shown(process.user));
  if (!process.exe.empty())
    faults.add("process.exe is not supported yet; tell the service's processes apart by process.unit, cgroup or user");
}

}  // namespace

std::vector<std::string> service_definition_faults(const ServiceDefinition& definition) {
  Faults faults;
  faults.name("name", definition.name);
  if (!definition.id.empty()) faults.name("id", definition.id);
  if (is_reserved_name(definition.name)) faults.add("name {} is reserved by DNS", definition.name);
  if (const auto fault = text_fault(definition.address, kServiceAddressMax); !fault.empty()) faults.add("address {}", fault);
  faults.at_most("tags", definition.tags.size(), kServiceTagsMax);
  for (std::size_t i = 0; i < definition.tags.size() && i < kServiceTagsMax; ++i) {
    if (const auto fault = text_fault(definition.tags[i], definition.tags[i].size()); !fault.empty()) faults.add("tags[{}] {}", i, fault);
  }
  upstream_faults(definition, faults);
  process_faults(definition.process, faults);
  port_faults(definition, faults);
  meta_faults(definition, faults);
  check_faults(definition, faults);
  return faults.take();
}

std::uint16_t mesh_port_of(const ServicePort& port) { return port.mesh_port != 0 ? port.mesh_port : port.port; }

ServiceInstance instance_of(const ServiceDefinition& definition, const NodeId& node_id) {
  ServiceInstance instance;
  instance.node_id = node_id;
  instance.name = definition.name;
  instance.id = definition.id.empty() ? definition.name : definition.id;
#define MESH_COPY_FIELD(number, type, member, ...) instance.member = definition.member;
  MESH_SERVICE_SHARED_FIELDS(MESH_COPY_FIELD)
#undef MESH_COPY_FIELD
  if (instance.weights == Weights{}) instance.weights = {.passing = 1, .warning = 1};
  if (instance.ports.empty() && instance.port != 0) {
    instance.ports.push_back({.name = {}, .port = instance.port, .protocol = definition.protocol, .mesh_port = 0});
  }
  for (ServicePort& port : instance.ports) {
    port.name = port_name_of(port);
    port.mesh_port = mesh_port_of(port);
  }
  if (!instance.ports.empty()) instance.port = instance.ports[0].port;
  return instance;
}

std::vector<CheckDefinition> checks_of(const ServiceDefinition& definition) {
  std::vector<CheckDefinition> checks;
  if (definition.check) checks.push_back(*definition.check);
  checks.insert(checks.end(), definition.checks.begin(), definition.checks.end());
  const std::string& service_id = definition.id.empty() ? definition.name : definition.id;
  for (std::size_t i = 0; i < checks.size(); ++i) {
    CheckDefinition& check = checks[i];
    check.service_id = service_id;
    if (check.check_id.empty()) {
      check.check_id = checks.size() == 1 ? "service:" + service_id : fmt::format("service:{}:{}", service_id, i + 1);
    }
    if (check.name.empty()) check.name = fmt::format("Service '{}' check", definition.name);
  }
  return checks;
}

const ServicePort* find_port(const ServiceInstance& instance, std::string_view name) {
  for (const ServicePort& port : instance.ports) {
    if (name.empty() || same_name(port.name, name)) return &port;
  }
  return nullptr;
}

}  // namespace mesh::model
