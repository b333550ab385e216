#include "daemon/steer/sk_lookup.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/bpf.h>
#include <linux/filter.h>
#include <linux/magic.h>

#include <array>
#include <cerrno>
#include <filesystem>
#include <memory>
#include <optional>
#include <vector>

#include <fmt/core.h>

#include "base/log.h"
#include "daemon/steer/built_in.h"
#include "net/mesh_range.h"
#include "net/sockets.h"

namespace mesh::steer {

namespace {

// The same numbers stand in steer.bpf.c.
constexpr std::uint32_t kSetSlots = kListenersMax;
constexpr std::uint32_t kSlotDnsUdp = 128;
constexpr std::uint32_t kSlotDnsTcp = 129;
constexpr std::size_t kCounters = 3;
static_assert(2 * kSetSlots == kSlotDnsUdp);

Trouble trouble(Fault fault, std::string message, std::string hint) { return {fault, std::move(message), std::move(hint)}; }

std::string kernel_release() {
  utsname name{};
  return uname(&name) == 0 ? name.release : "?";
}

// What an error of loading, attaching or pinning means.
Trouble kernel_trouble(std::string_view what, int errno_value) {
  const std::string cause = io_error(what, errno_value).message;
  if (errno_value == EPERM || errno_value == EACCES)
    return trouble(Fault::NoPermission, cause,
                   "run meshd-steer as root, by its unit: it needs CAP_BPF and CAP_NET_ADMIN");
  if (errno_value == ENOMEM)
    return trouble(Fault::Failed, cause, "kernels before 5.11 charge maps to RLIMIT_MEMLOCK: set LimitMEMLOCK=infinity");
  return trouble(Fault::Failed, cause, "");
}

Trouble load_trouble(int errno_value) {
  if (errno_value != EPERM && libbpf_probe_bpf_prog_type(BPF_PROG_TYPE_SK_LOOKUP, nullptr) == 0)
    return trouble(Fault::KernelTooOld, fmt::format("kernel {} has no sk_lookup programs", kernel_release()),
                   "a kernel from 5.9, built with CONFIG_BPF_SYSCALL");
  return kernel_trouble("loading the sk_lookup program", errno_value);
}

// Owner of an opened object; its maps and program close with it, pins and links keep what they refer to.
using Object = std::unique_ptr<bpf_object, decltype([](bpf_object* object) { bpf_object__close(object); })>;

// libbpf's own messages only matter when something fails, and then as debug lines.
int log_libbpf(libbpf_print_level level, const char* format, va_list arguments) {
  if (level == LIBBPF_DEBUG) return 0;
  std::array<char, 512> text{};
  const int size = vsnprintf(text.data(), text.size(), format, arguments);
  const std::string_view line(text.data());
  LOG_DEBUG("libbpf says", {"text", line.substr(0, line.find('\n'))});
  return size;
}

struct Loaded {
  Object object;
  int program = -1;
  int sockets = -1;
  int active = -1;
};

int map_fd(const bpf_object* object, const char* name) { return bpf_object__find_map_fd_by_name(object, name); }

// Loads the program over the pinned maps; makes and pins those that are missing.
Trouble load(const std::string& map_folder, Loaded& out) {
  libbpf_set_print(log_libbpf);
  bpf_object_open_opts options{};
  options.sz = sizeof options;
  options.object_name = "meshd_steer";
  Object object(bpf_object__open_mem(built_in_program().data(), built_in_program().size(), &options));
  if (!object) return kernel_trouble("reading the built-in program", errno);
  bpf_map* map = nullptr;
  bpf_object__for_each_map(map, object.get())
    bpf_map__set_pin_path(map, (map_folder + "/" + bpf_map__name(map)).c_str());
  if (const int code = bpf_object__load(object.get()); code != 0) return load_trouble(-code);
  const bpf_program* program = bpf_object__find_program_by_name(object.get(), "steer");
  if (program == nullptr) return trouble(Fault::Failed, "the built-in program has no function steer", "");
  out.program = bpf_program__fd(program);
  out.sockets = map_fd(object.get(), "sockets");
  out.active = map_fd(object.get(), "active");
  out.object = std::move(object);
  return {};
}

std::uint32_t own_namespace() {
  struct stat status {};
  return stat("/proc/self/ns/net", &status) == 0 ? static_cast<std::uint32_t>(status.st_ino) : 0;
}

struct Link {
  UniqueFd fd;
  std::uint32_t namespace_inode = 0;  // 0: its namespace is gone, and the program with it
};

std::optional<Link> pinned_link(const std::string& path) {
  Link link{UniqueFd(bpf_obj_get(path.c_str()))};
  if (!link.fd) return std::nullopt;
  bpf_link_info info{};
  std::uint32_t size = sizeof info;
  if (bpf_obj_get_info_by_fd(link.fd.get(), &info, &size) == 0 && info.type == BPF_LINK_TYPE_NETNS)
    link.namespace_inode = info.netns.netns_ino;
  return link;
}

Trouble attach_new(const Loaded& loaded, const std::string& path) {
  const UniqueFd space(::open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC));
  if (!space) return kernel_trouble("/proc/self/ns/net", errno);
  const UniqueFd link(bpf_link_create(loaded.program, space.get(), BPF_SK_LOOKUP, nullptr));
  if (!link) return kernel_trouble("attaching the sk_lookup program", errno);
  if (bpf_obj_pin(link.get(), path.c_str()) == 0) return {};
  return kernel_trouble(fmt::format("pinning {}", path), errno);  // the link goes with its descriptor
}

Trouble put_in_force(const Loaded& loaded, const std::string& path) {
  const auto link = pinned_link(path);
  if (!link) return attach_new(loaded, path);
  if (link->namespace_inode == own_namespace()) {
    if (bpf_link_update(link->fd.get(), loaded.program, nullptr) == 0) return {};
    return kernel_trouble("replacing the sk_lookup program", errno);
  }
  if (link->namespace_inode != 0)
    return trouble(Fault::OtherNamespace,
                   fmt::format("{} steers another network namespace (inode {})", path, link->namespace_inode),
                   "give each network namespace its own --bpf-dir");
  if (::unlink(path.c_str()) != 0) return kernel_trouble(fmt::format("removing the stale {}", path), errno);
  return attach_new(loaded, path);
}

std::uint64_t active_of(int map) {
  const std::uint32_t zero = 0;
  std::uint64_t both = 0;
  return bpf_map_lookup_elem(map, &zero, &both) == 0 ? both : 0;
}

bool put_socket(int map, std::uint32_t slot, const UniqueFd& socket) {
  const auto value = static_cast<std::uint64_t>(socket.get());
  return bpf_map_update_elem(map, &slot, &value, BPF_ANY) == 0;
}

void clear(int map, std::uint32_t slot) { bpf_map_delete_elem(map, &slot); }

void clear_set(int map, std::uint32_t first) {
  for (std::uint32_t n = 0; n < kSetSlots; ++n) clear(map, first + n);
}

Trouble put_dns(int map, std::uint32_t slot, const std::optional<CheckedSocket>& socket) {
  if (!socket) {
    clear(map, slot);
    return {};
  }
  return put_socket(map, slot, socket->fd) ? Trouble() : kernel_trouble("steering to a DNS socket", errno);
}

// The set that is not in force is filled, then the one number that says which is.
Trouble put_listeners(const Loaded& loaded, const std::vector<CheckedSocket>& listeners) {
  const auto before = static_cast<std::uint32_t>(active_of(loaded.active) >> 32);
  const std::uint32_t first = before == 0 ? kSetSlots : 0;
  clear_set(loaded.sockets, first);
  for (std::uint32_t n = 0; n < listeners.size(); ++n)
    if (!put_socket(loaded.sockets, first + n, listeners[n].fd)) return kernel_trouble("steering to a listener", errno);
  const std::uint32_t zero = 0;
  const std::uint64_t both = (std::uint64_t{first} << 32) | listeners.size();
  if (bpf_map_update_elem(loaded.active, &zero, &both, BPF_ANY) != 0) return kernel_trouble("changing the listeners", errno);
  clear_set(loaded.sockets, before);
  return {};
}

bool alive(int map, std::uint32_t slot) {
  std::uint64_t cookie = 0;
  return bpf_map_lookup_elem(map, &slot, &cookie) == 0;
}

std::uint64_t counted(int map, std::uint32_t what) {
  std::vector<std::uint64_t> cells(static_cast<std::size_t>(std::max(libbpf_num_possible_cpus(), 1)));
  if (bpf_map_lookup_elem(map, &what, cells.data()) != 0) return 0;
  std::uint64_t sum = 0;
  for (const std::uint64_t cell : cells) sum += cell;
  return sum;
}

bool make_folder(const std::string& path) { return ::mkdir(path.c_str(), 0700) == 0 || errno == EEXIST; }

}  // namespace

Trouble SkLookup::prepare_folder() const {
  const std::string parent = std::filesystem::path(folder_).parent_path().string();
  struct statfs system {};
  if (::statfs(parent.c_str(), &system) != 0 || system.f_type != BPF_FS_MAGIC)
    return trouble(Fault::NoBpffs, fmt::format("{} is not on a bpf file system", parent),
                   "mount it: mount -t bpf bpf /sys/fs/bpf (systemd does that at boot)");
  if (make_folder(folder_) && make_folder(folder_ + "/v1")) return {};
  return kernel_trouble(fmt::format("making {}", folder_), errno);
}

Trouble SkLookup::attach() {
  if (Trouble failed = prepare_folder(); failed.any()) return failed;
  const bool other_layout = pinned_link(link_pin()).has_value() && ::access(pin("sockets").c_str(), F_OK) != 0;
  if (other_layout) return {};
  Loaded loaded;
  if (Trouble failed = load(folder_ + "/v1", loaded); failed.any()) return failed;
  return put_in_force(loaded, link_pin());
}

Trouble SkLookup::put(const Sockets& sockets) {
  if (Trouble failed = prepare_folder(); failed.any()) return failed;
  Loaded loaded;
  if (Trouble failed = load(folder_ + "/v1", loaded); failed.any()) return failed;
  if (Trouble failed = put_listeners(loaded, sockets.listeners); failed.any()) return failed;
  if (Trouble failed = put_dns(loaded.sockets, kSlotDnsUdp, sockets.dns_udp); failed.any()) return failed;
  if (Trouble failed = put_dns(loaded.sockets, kSlotDnsTcp, sockets.dns_tcp); failed.any()) return failed;
  return put_in_force(loaded, link_pin());
}

Status SkLookup::remove() {
  if (const auto link = pinned_link(link_pin()))
    if (link->namespace_inode != 0 && bpf_link_detach(link->fd.get()) != 0) return io_error("detaching the program", errno);
  std::error_code failure;
  if (!std::filesystem::exists(folder_, failure)) return {};
  std::filesystem::remove_all(folder_, failure);
  if (failure) return io_error(folder_, failure.value());
  return {};
}

Result<SkLookupStatus> SkLookup::status() const {
  SkLookupStatus out;
  const auto link = pinned_link(link_pin());
  if (!link && (errno == EACCES || errno == EPERM)) return error(Code::Denied, "{} cannot be read: run this as root", link_pin());
  const UniqueFd sockets(bpf_obj_get(pin("sockets").c_str()));
  const UniqueFd active(bpf_obj_get(pin("active").c_str()));
  const UniqueFd counters(bpf_obj_get(pin("counters").c_str()));
  if (!link || !sockets || !active || !counters) return out;
  out.attached = link->namespace_inode == own_namespace();
  const std::uint64_t both = active_of(active.get());
  const auto first = static_cast<std::uint32_t>(both >> 32);
  for (std::uint32_t n = 0; n < static_cast<std::uint32_t>(both); ++n) out.listeners += alive(sockets.get(), first + n) ? 1 : 0;
  out.dns_udp = alive(sockets.get(), kSlotDnsUdp);
  out.dns_tcp = alive(sockets.get(), kSlotDnsTcp);
  std::array<std::uint64_t*, kCounters> totals{&out.steered_total, &out.dns_questions_total, &out.refused_total};
  for (std::uint32_t n = 0; n < kCounters; ++n) *totals[n] = counted(counters.get(), n);
  return out;
}

Result<UniqueFd> open_dns_answers() {
  UniqueFd fd(::socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_UDP));
  if (!fd) return io_error("raw socket for DNS answers (CAP_NET_RAW)", errno);
  // Receives nothing, and whoever holds it cannot change that; sends on lo only.
  sock_filter drop_all = {BPF_RET | BPF_K, 0, 0, 0};
  const sock_fprog filter{1, &drop_all};
  const int on = 1;
  constexpr std::string_view kDevice = "lo";
  if (setsockopt(fd.get(), SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof filter) != 0 ||
      setsockopt(fd.get(), SOL_SOCKET, SO_LOCK_FILTER, &on, sizeof on) != 0 ||
      setsockopt(fd.get(), SOL_SOCKET, SO_BINDTODEVICE, kDevice.data(), kDevice.size()) != 0)
    return io_error("raw socket for DNS answers", errno);
  const net::SocketName name = net::to_socket_name(net::Address{net::kMeshDnsAddress, 0});
  if (::bind(fd.get(), name.get(), name.size) != 0) return io_error("raw socket for DNS answers: bind (is lo up?)", errno);
  return fd;
}

}  // namespace mesh::steer
