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
