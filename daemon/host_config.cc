#include "daemon/host_config.h"

#include <fts.h>
#include <pwd.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <memory>

#include "daemon/process.h"
#include "model/names.h"
#include "net/address.h"
#include "net/own_address.h"

namespace mesh::daemon {
namespace {

constexpr const char* kUser = "meshd";

}  // namespace

Status complete(model::Config& config) {
  if (config.node.empty()) config.node = host_name();
  if (!model::is_dns_label(config.node))
    return error(Code::Precondition, "this host's name \"{}\" is not a DNS label; set node in meshd.yaml, or --node", config.node);
  if (config.bind.empty()) {
    const auto own = net::own_address();
    if (!own.ok())
      return error(Code::Precondition, "which address other hosts reach is not known ({}); set bind in meshd.yaml, or --bind",
                   own.error().message);
    config.bind = own->to_string();
  }
  if (config.advertise.empty()) config.advertise = config.bind;
  return {};
}

std::vector<std::string_view> keys_for_restart(const model::Config& before, const model::Config& after) {
  const struct {
    std::string_view key;
    bool same;
  } keys[] = {{"node", before.node == after.node},
              {"datacenter", before.datacenter == after.datacenter},
              {"domain", before.domain == after.domain},
              {"data_dir", before.data_dir == after.data_dir},
              {"run_dir", before.run_dir == after.run_dir},
              {"bind", before.bind == after.bind},
              {"advertise", before.advertise == after.advertise},
              {"client", before.client == after.client},
              {"ports.http", before.ports.http == after.ports.http},
              {"ports.https", before.ports.https == after.ports.https},
              {"ports.dns", before.ports.dns == after.ports.dns},
              {"ports.rpc", before.ports.rpc == after.ports.rpc},
              {"ports.gossip", before.ports.gossip == after.ports.gossip},
              {"ports.mesh", before.ports.mesh == after.ports.mesh},
              {"server.enabled", before.server == after.server},
              {"join", before.join == after.join},
              {"dns.recursors", before.recursors == after.recursors},
              {"dns.service_ttl", before.service_ttl == after.service_ttl},
              {"dns.node_ttl", before.node_ttl == after.node_ttl},
              {"dns.only_passing", before.only_passing == after.only_passing}};
  std::vector<std::string_view> changed;
  for (const auto& [key, same] : keys)
    if (!same) changed.push_back(key);
  return changed;
}

std::string rpc_address(const model::Config& config) {
  const auto ip = net::IpAddress::parse(config.advertise);
  CHECK(ip.ok(), "advertise: {}", config.advertise);
  return net::Address{*ip, static_cast<std::uint16_t>(config.ports.rpc)}.to_string();
}

Status give_to_daemon_user(const std::string& folder) {
  passwd entry{};
  passwd* found = nullptr;
  std::array<char, 16 * 1024> buffer{};
  if (geteuid() != 0 || getpwnam_r(kUser, &entry, buffer.data(), buffer.size(), &found) != 0 || found == nullptr) return {};
  char* const roots[] = {const_cast<char*>(folder.c_str()), nullptr};
  const std::unique_ptr<FTS, int (*)(FTS*)> walk(fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR, nullptr), fts_close);
  if (walk == nullptr) return io_error(fmt::format("while reading {}", folder), errno);
  while (const FTSENT* at = fts_read(walk.get())) {
    if (at->fts_info == FTS_DP) continue;  // seen on the way down
    if (lchown(at->fts_path, entry.pw_uid, entry.pw_gid) != 0)
      return io_error(fmt::format("while giving {} to user {}", at->fts_path, kUser), errno);
  }
  return {};
}

}  // namespace mesh::daemon
