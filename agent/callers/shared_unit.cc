#include "agent/callers/shared_unit.h"

#include <algorithm>
#include <array>

namespace mesh::agent {

namespace {

// Names before ".service" and before the "@" of a template, in order.
constexpr auto kStarters = std::to_array<std::string_view>({
    "anacron", "atd", "buildkite-agent", "circus", "circusd", "cloud-final", "console-getty", "container-getty", "containerd",
    "cri-docker", "crio", "cron", "crond", "cronie", "daemontools", "dcron", "docker", "dropbear", "fcron", "gdm", "getty",
    "gitlab-runner", "incus", "inetd", "inetutils-inetd", "k3s", "k3s-agent", "kubelet", "lightdm", "lxc", "lxd", "monit",
    "nomad", "openbsd-inetd", "podman", "rc-local", "runit", "runsvdir", "s6", "s6-svscan", "screen", "sddm", "serial-getty",
    "ssh", "sshd", "supervisor", "supervisord", "svscan", "tmux", "user", "xdm", "xinetd",
});
static_assert(std::is_sorted(kStarters.begin(), kStarters.end()));
// Names that go on behind this.
constexpr auto kStartersBegin = std::to_array<std::string_view>({"actions.runner.", "pm2-"});

constexpr std::string_view kService = ".service";

}  // namespace

bool stands_for_itself(std::string_view unit) {
  if (!unit.ends_with(kService)) return false;
  const std::string_view name = unit.substr(0, std::min(unit.find('@'), unit.size() - kService.size()));
  const auto begins = [name](std::string_view start) { return name.starts_with(start); };
  return std::none_of(kStartersBegin.begin(), kStartersBegin.end(), begins) &&
         !std::binary_search(kStarters.begin(), kStarters.end(), name);
}

}  // namespace mesh::agent
