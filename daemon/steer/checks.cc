#include "daemon/steer/checks.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include <cerrno>

#include "net/sockets.h"

namespace mesh::steer {

namespace {

#ifdef SO_NETNS_COOKIE
constexpr int kNetnsCookie = SO_NETNS_COOKIE;
#else
constexpr int kNetnsCookie = 71;  // Linux 5.14
#endif

// -1 if it has no such option: no socket at all.
int option_of(int fd, int name) {
  int value = -1;
  socklen_t size = sizeof value;
  return getsockopt(fd, SOL_SOCKET, name, &value, &size) == 0 ? value : -1;
}

// 0 where the kernel does not say.
std::uint64_t namespace_of(int fd) {
  std::uint64_t cookie = 0;
  socklen_t size = sizeof cookie;
  return getsockopt(fd, SOL_SOCKET, kNetnsCookie, &cookie, &size) == 0 ? cookie : 0;
}

std::uint64_t own_namespace() {
  const UniqueFd probe(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  return probe ? namespace_of(probe.get()) : 0;
}

enum class Wanted : std::uint8_t { Listener, Datagrams };

Result<CheckedSocket> check(UniqueFd fd, Wanted wanted, std::string_view what) {
  const bool tcp = wanted == Wanted::Listener;
  const auto refuse = [what](std::string_view why) { return error(Code::Invalid, "{} {}", what, why); };
  if (option_of(fd.get(), SO_DOMAIN) != AF_INET) return refuse("is no IPv4 socket");
  if (option_of(fd.get(), SO_PROTOCOL) != (tcp ? IPPROTO_TCP : IPPROTO_UDP)) return refuse(tcp ? "is no TCP socket" : "is no UDP socket");
  if (tcp && option_of(fd.get(), SO_ACCEPTCONN) != 1) return refuse("does not listen");
  sockaddr_storage peer{};
  socklen_t size = sizeof peer;
  if (!tcp && getpeername(fd.get(), reinterpret_cast<sockaddr*>(&peer), &size) == 0) return refuse("is connected");
  const net::Address bound = net::local_endpoint(fd.get()).address();
  if (bound.port == 0) return refuse("is not bound");
  if (namespace_of(fd.get()) != own_namespace()) return refuse("belongs to another network namespace");
  return CheckedSocket{std::move(fd), bound};
}

}  // namespace

Result<Sockets> check_sockets(const HandOver& message, std::vector<UniqueFd> descriptors) {
  if (descriptors.size() != message.descriptors())
    return error(Code::Invalid, "{} descriptors came, the message says {}", descriptors.size(), message.descriptors());
  Sockets out;
  std::size_t at = 0;
  for (; at < message.listeners; ++at) {
    MESH_TRY(listener, check(std::move(descriptors[at]), Wanted::Listener, fmt::format("listener {}", at)));
    out.listeners.push_back(std::move(listener));
  }
  if (message.dns_udp) {
    MESH_TRY(udp, check(std::move(descriptors[at++]), Wanted::Datagrams, "the DNS socket for UDP"));
    out.dns_udp = std::move(udp);
  }
  if (message.dns_tcp) {
    MESH_TRY(tcp, check(std::move(descriptors[at++]), Wanted::Listener, "the DNS listener"));
    out.dns_tcp = std::move(tcp);
  }
  return out;
}

}  // namespace mesh::steer
