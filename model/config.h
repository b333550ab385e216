// The configuration of a daemon: as written (ConfigFile, one per file, every key optional) and as it is in force
// (Config, all defaults filled in). Sources, weakest first: the main file, conf.d/*.yaml in order of name, environment
// variables MESHD_*, flags. Lists of later sources are appended, single values replace.
//
// All faults are reported at once, each with file, line, column, the value and a hint. Blocking reads; any thread.
// To add a key: a field line below, its default in Config, its transfer in config.cc, a row in docs/configuration.md,
// and, if it may be given as a flag, a row in settings().
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/message.h"
#include "base/result.h"
#include "base/time.h"
#include "base/yaml.h"
#include "model/service.h"

namespace mesh::model {

#define MESH_CONFIG_PORTS_FIELDS(F)                                                                        \
  F(1, std::optional<std::int32_t>, http, "HTTP", "HTTP API; default 8500")                                \
  F(2, std::optional<std::int32_t>, https, "HTTPS", "HTTP API with TLS; default -1")                       \
  F(3, std::optional<std::int32_t>, dns, "DNS", "DNS over UDP and TCP; default 8600")                      \
  F(4, std::optional<std::int32_t>, rpc, "RPC", "server RPC; default 8300")                                \
  F(5, std::optional<std::int32_t>, gossip, "Gossip", "gossip; default 8301")                              \
  F(6, std::optional<std::int32_t>, mesh, "Mesh", "inbound mesh traffic; default 8303")
struct ConfigPorts {
  MESH_MESSAGE(ConfigPorts, MESH_CONFIG_PORTS_FIELDS)
};

#define MESH_CONFIG_SERVER_FIELDS(F) F(1, std::optional<bool>, enabled, "Enabled", "this host is a server")
struct ConfigServer {
  MESH_MESSAGE(ConfigServer, MESH_CONFIG_SERVER_FIELDS)
};

#define MESH_CONFIG_DNS_FIELDS(F)                                                                          \
  F(1, ListOf<std::string>, recursors, "Recursors", "resolvers for other names: IP or IP:PORT")            \
  F(2, std::optional<Duration>, service_ttl, "ServiceTTL", "of answers about services; default 0s")        \
  F(3, std::optional<Duration>, node_ttl, "NodeTTL", "of answers about nodes; default 0s")                 \
  F(4, std::optional<bool>, only_passing, "OnlyPassing", "instances with a warning are left out; default false")
struct ConfigDns {
  MESH_MESSAGE(ConfigDns, MESH_CONFIG_DNS_FIELDS)
};

#define MESH_CONFIG_LOG_FIELDS(F)                                                                          \
  F(1, std::optional<std::string>, level, "Level", "debug, info, warn, error; default info")               \
  F(2, std::optional<std::string>, format, "Format", "text, json; default text")
struct ConfigLog {
  MESH_MESSAGE(ConfigLog, MESH_CONFIG_LOG_FIELDS)
};

#define MESH_CONFIG_FILE_FIELDS(F)                                                                         \
  F(1, std::optional<std::string>, node, "Node", "name of this host in the mesh; default: the host name")  \
  F(2, std::optional<std::string>, datacenter, "Datacenter", "default dc1")                                \
  F(3, std::optional<std::string>, domain, "Domain", "of DNS names; default mesh")                         \
  F(4, std::optional<std::string>, data_dir, "DataDir", "state; default /var/lib/meshd")                   \
  F(5, std::optional<std::string>, run_dir, "RunDir", "sockets; default /run/meshd")                       \
  F(6, std::optional<std::string>, bind, "Bind", "address for gossip, RPC and mesh; default: of the default route") \
  F(7, std::optional<std::string>, advertise, "Advertise", "what others dial; default: bind")              \
  F(8, std::optional<std::string>, client, "Client", "address for HTTP API and DNS; default 127.0.0.1")    \
  F(9, std::optional<ConfigPorts>, ports, "Ports", "-1: off, 0: any free one")                             \
  F(10, std::optional<ConfigServer>, server, "Server", "")                                                 \
  F(11, ListOf<std::string>, join, "Join", "servers to join: IP or IP:PORT")                               \
  F(12, std::optional<ConfigDns>, dns, "DNS", "")                                                          \
  F(13, std::optional<ConfigLog>, log, "Log", "")                                                          \
  F(14, ListOf<ServiceDefinition>, services, "Services", "what runs on this host")
struct ConfigFile {
  MESH_MESSAGE(ConfigFile, MESH_CONFIG_FILE_FIELDS)
};

inline constexpr std::int32_t kPortOff = -1;

struct Config {
  struct Ports {
    std::int32_t http = 8500;
    std::int32_t https = kPortOff;
    std::int32_t dns = 8600;
    std::int32_t rpc = 8300;
    std::int32_t gossip = 8301;
    std::int32_t mesh = 8303;
  };
  std::string node;  // empty: the host name
  std::string datacenter = "dc1";
  std::string domain = "mesh";
  std::string data_dir = "/var/lib/meshd";
  std::string run_dir = "/run/meshd";
  std::string bind;       // empty: the address of the default route
  std::string advertise;  // empty: bind
  std::string client = "127.0.0.1";
  Ports ports;
  bool server = false;
  std::vector<std::string> join;
  std::vector<std::string> recursors;
  Duration service_ttl{};
  Duration node_ttl{};
  bool only_passing = false;
  std::string log_level = "info";
  std::string log_format = "text";
  std::vector<ServiceDefinition> services;
};

// A single value that may be given as a flag (--http-port) or in the environment (MESHD_HTTP_PORT).
struct Setting {
  std::string_view flag;
  std::string_view path;   // key in the file, e.g. "ports.http"
  std::string_view value;  // placeholder
  std::string_view help;
};
[[nodiscard]] std::span<const Setting> settings();

struct ConfigSources {
  std::string file;                                            // empty: none
  std::string directory;                                       // its *.yaml, in order of name; empty or missing: none
  std::vector<std::pair<std::string, std::string>> environment;  // all of it; what is not MESHD_* is ignored
  std::vector<std::pair<std::string, std::string>> flags;        // name without dashes, value
  bool may_be_pipe = false;                                    // the file: a person names it and waits for the answer
};

inline constexpr std::size_t kConfigFilesMax = 1024;

// Errors: NotFound, the main file; Invalid with all findings, a line each; Io.
[[nodiscard]] Result<Config> load_config(const ConfigSources& sources);

// The `services:` of one file of conf.d, checked as there. Invalid with all findings.
[[nodiscard]] Result<std::vector<ServiceDefinition>> read_service_file(std::string_view text, std::string_view file);

}  // namespace mesh::model
