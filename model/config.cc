#include "model/config.h"

#include <arpa/inet.h>
#include <dirent.h>

#include <algorithm>
#include <charconv>

#include "base/file.h"
#include "base/log.h"
#include "base/message_yaml.h"
#include "base/near_miss.h"
#include "model/names.h"

namespace mesh::model {

MESH_MESSAGE_TABLE(ConfigPorts, MESH_CONFIG_PORTS_FIELDS)
MESH_MESSAGE_TABLE(ConfigServer, MESH_CONFIG_SERVER_FIELDS)
MESH_MESSAGE_TABLE(ConfigDns, MESH_CONFIG_DNS_FIELDS)
MESH_MESSAGE_TABLE(ConfigLog, MESH_CONFIG_LOG_FIELDS)
MESH_MESSAGE_TABLE(ConfigFile, MESH_CONFIG_FILE_FIELDS)

namespace {

constexpr ByteCount kConfigBytesMax{4 * 1024 * 1024};

constexpr Setting kSettings[] = {
    {"node", "node", "NAME", "name of this host in the mesh"},
    {"datacenter", "datacenter", "NAME", "name of the datacenter"},
    {"domain", "domain", "NAME", "domain of DNS names"},
    {"data-dir", "data_dir", "DIR", "where state is kept"},
    {"run-dir", "run_dir", "DIR", "where sockets are made"},
    {"bind", "bind", "IP", "address for gossip, RPC and mesh traffic"},
    {"advertise", "advertise", "IP", "address that others dial"},
    {"client", "client", "IP", "address for HTTP API and DNS"},
    {"http-port", "ports.http", "PORT", "port of the HTTP API; 0: any, -1: off"},
    {"dns-port", "ports.dns", "PORT", "port of DNS; 0: any, -1: off"},
    {"rpc-port", "ports.rpc", "PORT", "port of server RPC"},
    {"gossip-port", "ports.gossip", "PORT", "port of gossip"},
    {"mesh-port", "ports.mesh", "PORT", "port of inbound mesh traffic"},
    {"log-level", "log.level", "LEVEL", "debug, info, warn or error"},
    {"log-format", "log.format", "FORMAT", "text or json"},
};

std::string environment_name(std::string_view flag) {
  std::string name = "MESHD_";
  for (const char c : flag) name += c == '-' ? '_' : static_cast<char>(c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c);
  return name;
}

// One parsed source, kept for the places of its values.
struct Source {
  std::string name;
  YamlNode root;
  ConfigFile file;
};

// {ports: {http: VALUE}} for "ports.http".
YamlNode tree_of(std::string_view path, std::string_view value) {
  const auto dot = path.find('.');
  YamlNode node;
  if (path.empty()) {
    node.kind = YamlNode::Kind::Scalar;
    node.scalar = std::string(value);
    return node;
  }
  node.kind = YamlNode::Kind::Map;
  const auto rest = dot == std::string_view::npos ? std::string_view() : path.substr(dot + 1);
  node.entries.push_back({std::string(path.substr(0, dot)), {}, tree_of(rest, value)});
  return node;
}

// Checks of single values, with the place of each.
class Checker {
 public:
  Checker(const Source& source, std::vector<YamlFinding>& findings) : source_(source), findings_(findings) {}

  void run() {
    const ConfigFile& file = source_.file;
    name("node", file.node);
    name("datacenter", file.datacenter);
    name("domain", file.domain);
    folder("data_dir", file.data_dir);
    folder("run_dir", file.run_dir);
    address("bind", file.bind);
    address("advertise", file.advertise);
    address("client", file.client);
    if (file.ports) ports(*file.ports);
    if (file.log) log(*file.log);
    if (file.dns) recursors(*file.dns);
    for (std::size_t i = 0; i < file.services.size(); ++i) service(i);
  }

 private:
  void find(const YamlNode* at, std::string message, std::string hint) {
    findings_.push_back({source_.name, at == nullptr ? YamlMark{} : at->mark, std::move(message), std::move(hint)});
  }

  [[nodiscard]] const YamlNode* at(std::string_view outer, std::string_view inner = {}) const {
    const YamlNode* node = source_.root.find(outer);
    return node == nullptr || inner.empty() ? node : node->find(inner);
  }

  void name(std::string_view key, const std::optional<std::string>& value) {
    if (!value || is_dns_label(*value)) return;
    find(at(key), fmt::format("{}: \"{}\" is not a DNS label", key, *value),
         "use letters, digits and hyphens, at most 63");
  }

  void folder(std::string_view key, const std::optional<std::string>& value) {
    if (!value || value->starts_with('/')) return;
    find(at(key), fmt::format("{}: \"{}\" is not an absolute path", key, *value), "begin it with a slash");
  }

  static bool is_address(const std::string& text) {
    in6_addr buffer{};
    return inet_pton(AF_INET, text.c_str(), &buffer) == 1 || inet_pton(AF_INET6, text.c_str(), &buffer) == 1;
  }

  void address(std::string_view key, const std::optional<std::string>& value) {
    if (!value || is_address(*value)) return;
    find(at(key), fmt::format("{}: \"{}\" is not an IP address", key, *value), "write it as 10.0.0.1 or fd00::1");
  }

  void port(std::string_view key, const std::optional<std::int32_t>& value) {
    if (!value || (*value >= kPortOff && *value <= 65535)) return;
    find(at("ports", key), fmt::format("ports.{}: {} is not a port", key, *value), "1 to 65535, 0: any, -1: off");
  }

  void ports(const ConfigPorts& ports) {
    port("http", ports.http);
    port("https", ports.https);
    port("dns", ports.dns);
    port("rpc", ports.rpc);
    port("gossip", ports.gossip);
    port("mesh", ports.mesh);
  }

  void log(const ConfigLog& log) {
    if (log.level && !parse_log_level(*log.level).ok())
      find(at("log", "level"), fmt::format("log.level: \"{}\" is no level", *log.level), "debug, info, warn or error");
    if (log.format && !parse_log_format(*log.format).ok())
      find(at("log", "format"), fmt::format("log.format: \"{}\" is no format", *log.format), "text or json");
  }

  void recursors(const ConfigDns& dns) {
    const YamlNode* list = at("dns", "recursors");
    for (std::size_t i = 0; i < dns.recursors.size(); ++i) {
      const std::string& text = dns.recursors[i];
      const auto colon = text.rfind(':');
      const bool with_port = colon != std::string::npos && text.find(':') == colon;
      if (is_address(with_port ? text.substr(0, colon) : text) || text.starts_with('[')) continue;
      const YamlNode* item = list != nullptr && i < list->items.size() ? &list->items[i] : list;
      find(item, fmt::format("dns.recursors[{}]: \"{}\" is not an address", i, text), "write IP or IP:PORT");
    }
  }

  void service(std::size_t i) {
    const YamlNode* list = at("services");
    const YamlNode* item = list != nullptr && i < list->items.size() ? &list->items[i] : list;
    for (const std::string& fault : service_definition_faults(source_.file.services[i]))
      find(item == nullptr ? nullptr : node_of(*item, fault), fmt::format("services[{}]: {}", i, fault), {});
  }

  // Where the field is that a fault begins with, such as "upstreams[1].bind"; as deep as the text goes.
  static const YamlNode* node_of(const YamlNode& service, std::string_view fault) {
    const YamlNode* node = &service;
    std::string_view path = fault.substr(0, fault.find_first_of(" :"));
    while (!path.empty()) {
      const auto end = std::min(path.find_first_of(".["), path.size());
      const YamlNode* next = node->find(path.substr(0, end));
      path.remove_prefix(end);
      if (next == nullptr) break;
      node = next;
      std::size_t item = 0;
      if (path.starts_with('[')) {
        const auto [stop, failure] = std::from_chars(path.data() + 1, path.data() + path.size(), item);
        if (failure != std::errc{} || item >= node->items.size()) break;
        node = &node->items[item];
        path.remove_prefix(static_cast<std::size_t>(stop - path.data()));
        if (path.starts_with(']')) path.remove_prefix(1);
      }
      if (path.starts_with('.')) path.remove_prefix(1);
    }
    return node;
  }

  const Source& source_;
  std::vector<YamlFinding>& findings_;
};

Source make_source(std::string name, YamlNode root, std::vector<YamlFinding>& findings) {
  Source source{std::move(name), std::move(root), {}};
  const std::size_t before = findings.size();
  source.file = from_yaml<ConfigFile>(source.root, source.name, findings);
  if (findings.size() == before) Checker(source, findings).run();
  return source;
}

Result<Source> read_source(const std::string& path, bool may_be_pipe, std::vector<YamlFinding>& findings) {
  MESH_TRY(text, may_be_pipe ? read_input_file(path, kConfigBytesMax) : read_file(path, kConfigBytesMax));
  return make_source(path, parse_yaml(text, path, findings), findings);
}

Result<std::vector<std::string>> yaml_files(const std::string& directory) {
  std::vector<std::string> files;
  if (directory.empty()) return files;
  DIR* dir = opendir(directory.c_str());
  if (dir == nullptr && errno == ENOENT) return files;
  if (dir == nullptr) return io_error(fmt::format("while reading {}", directory), errno);
  while (const dirent* entry = readdir(dir)) {
    const std::string_view name = entry->d_name;
    if (name.ends_with(".yaml") && !name.starts_with('.')) files.push_back(fmt::format("{}/{}", directory, name));
  }
  closedir(dir);
  std::sort(files.begin(), files.end());
  if (files.size() > kConfigFilesMax)
    return error(Code::Overloaded, "{} holds {} files, more than {}", directory, files.size(), kConfigFilesMax);
  return files;
}

const Setting* setting_of_environment(std::string_view name) {
  for (const Setting& setting : kSettings)
    if (environment_name(setting.flag) == name) return &setting;
  return nullptr;
}

// MESHD_* variables that are meant for meshctl or the service manager.
bool is_foreign(std::string_view name) { return name == "MESHD_HTTP_ADDR" || name == "MESHD_TOKEN_FILE"; }

void find_unknown_variable(const std::string& name, std::vector<YamlFinding>& findings) {
  std::vector<std::string> known;
  for (const Setting& setting : kSettings) known.push_back(environment_name(setting.flag));
  const std::vector<std::string_view> views(known.begin(), known.end());
  const auto near = near_miss(name, views);
  findings.push_back({"environment", {}, fmt::format("{} is no setting", name),
                      near ? fmt::format("did you mean {}?", *near) : std::string()});
}

std::vector<Source> all_sources(const ConfigSources& sources, std::vector<YamlFinding>& findings, Status& status) {
  std::vector<Source> out;
  std::vector<std::string> files;
  if (!sources.file.empty()) files.push_back(sources.file);
  auto more = yaml_files(sources.directory);
  if (more.ok()) files.insert(files.end(), more->begin(), more->end());
  else status = std::move(more).error();
  for (const std::string& path : files) {
    auto source = read_source(path, path == sources.file && sources.may_be_pipe, findings);
    if (source.ok()) out.push_back(std::move(source).value());
    else status = std::move(source).error();
  }
  for (const auto& [name, value] : sources.environment) {
    if (!name.starts_with("MESHD_") || is_foreign(name)) continue;
    if (const Setting* setting = setting_of_environment(name))
      out.push_back(make_source(fmt::format("environment {}", name), tree_of(setting->path, value), findings));
    else find_unknown_variable(name, findings);
  }
  for (const auto& [name, value] : sources.flags) {
    const auto* setting = std::find_if(std::begin(kSettings), std::end(kSettings),
                                       [&name = name](const Setting& s) { return s.flag == name; });
    CHECK(setting != std::end(kSettings), "flag --{} is no setting", name);
    out.push_back(make_source(fmt::format("flag --{}", name), tree_of(setting->path, value), findings));
  }
  return out;
}

// Encodings behind one another decode to their merge: single values replace, lists append (the protobuf wire rules).
Result<ConfigFile> merge(const std::vector<Source>& sources) {
  Bytes bytes;
  for (const Source& source : sources) encode_to(bytes, source.file);
  return decode<ConfigFile>(bytes);
}

void find_repeated_services(const std::vector<Source>& sources, std::vector<YamlFinding>& findings) {
  std::map<std::string, std::string, NameLess> seen;
  for (const Source& source : sources) {
    for (const ServiceDefinition& service : source.file.services) {
      const std::string& id = service.id.empty() ? service.name : service.id;
      const auto [place, fresh] = seen.emplace(id, source.name);
      if (!fresh)
        findings.push_back({source.name, {}, fmt::format("service '{}' is defined in {} already", id, place->second),
                            "give each instance its own id"});
    }
  }
}

template <class T>
void take(T& to, const std::optional<T>& from) {
  if (from) to = *from;
}

Config effective(const ConfigFile& file) {
  Config config;
  take(config.node, file.node);
  take(config.datacenter, file.datacenter);
  take(config.domain, file.domain);
  take(config.data_dir, file.data_dir);
  take(config.run_dir, file.run_dir);
  take(config.bind, file.bind);
  take(config.advertise, file.advertise);
  take(config.client, file.client);
  const ConfigPorts ports = file.ports.value_or(ConfigPorts{});
  take(config.ports.http, ports.http);
  take(config.ports.https, ports.https);
  take(config.ports.dns, ports.dns);
  take(config.ports.rpc, ports.rpc);
  take(config.ports.gossip, ports.gossip);
  take(config.ports.mesh, ports.mesh);
  if (file.server) take(config.server, file.server->enabled);
  config.join = file.join;
  const ConfigDns dns = file.dns.value_or(ConfigDns{});
  config.recursors = dns.recursors;
  take(config.service_ttl, dns.service_ttl);
  take(config.node_ttl, dns.node_ttl);
  take(config.only_passing, dns.only_passing);
  const ConfigLog log = file.log.value_or(ConfigLog{});
  take(config.log_level, log.level);
  take(config.log_format, log.format);
  config.services = file.services;
  return config;
}

}  // namespace

std::span<const Setting> settings() { return kSettings; }

Result<Config> load_config(const ConfigSources& sources) {
  std::vector<YamlFinding> findings;
  Status status;
  const std::vector<Source> all = all_sources(sources, findings, status);
  MESH_TRY_STATUS(std::move(status));
  find_repeated_services(all, findings);
  if (!findings.empty()) return findings_error(findings);
  MESH_TRY(merged, merge(all));
  return effective(merged);
}

Result<std::vector<ServiceDefinition>> read_service_file(std::string_view text, std::string_view file) {
  std::vector<YamlFinding> findings;
  const Source source = make_source(std::string(file), parse_yaml(text, file, findings), findings);
  if (findings.empty() && source.file.services.empty())
    findings.push_back({std::string(file), {}, "there are no services", "begin with 'services:' and a list"});
  if (!findings.empty()) return findings_error(findings);
  return source.file.services;
}

}  // namespace mesh::model
