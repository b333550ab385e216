#include "net/sockets.h"

#include <netinet/in.h>
#include <sys/un.h>

#include <cerrno>
#include <cstddef>
#include <cstring>

namespace mesh::net {

SocketName to_socket_name(const Endpoint& endpoint) {
  SocketName name;
  if (endpoint.is_unix()) {
    auto* un = reinterpret_cast<sockaddr_un*>(&name.storage);
    un->sun_family = AF_UNIX;
    const std::string& path = endpoint.unix_path();
    CHECK(path.size() <= kUnixPathBytesMax);
    std::memcpy(un->sun_path, path.data(), path.size());
    name.size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size() + 1);
    return name;
  }
  const Address& address = endpoint.address();
  if (address.ip.is_v4()) {
    auto* in = reinterpret_cast<sockaddr_in*>(&name.storage);
    in->sin_family = AF_INET;
    in->sin_port = htons(address.port);
    std::memcpy(&in->sin_addr, address.ip.bytes().data(), 4);
    name.size = sizeof(sockaddr_in);
  } else {
    auto* in6 = reinterpret_cast<sockaddr_in6*>(&name.storage);
    in6->sin6_family = AF_INET6;
    in6->sin6_port = htons(address.port);
    std::memcpy(&in6->sin6_addr, address.ip.bytes().data(), 16);
    name.size = sizeof(sockaddr_in6);
  }
  return name;
}

Endpoint from_socket_name(const sockaddr* name, socklen_t size) {
  if (name->sa_family == AF_INET) {
    const auto* in = reinterpret_cast<const sockaddr_in*>(name);
    return Address{IpAddress::v4(ntohl(in->sin_addr.s_addr)), ntohs(in->sin_port)};
  }
  if (name->sa_family == AF_INET6) {
    const auto* in6 = reinterpret_cast<const sockaddr_in6*>(name);
    std::array<std::uint8_t, 16> bytes{};
    std::memcpy(bytes.data(), &in6->sin6_addr, bytes.size());
    return Address{IpAddress::v6(bytes), ntohs(in6->sin6_port)};
  }
  if (name->sa_family == AF_UNIX) {
    const auto* un = reinterpret_cast<const sockaddr_un*>(name);
    const std::size_t room = size > offsetof(sockaddr_un, sun_path) ? size - offsetof(sockaddr_un, sun_path) : 0;
    return UnixPath{std::string(un->sun_path, strnlen(un->sun_path, room))};
  }
  return {};
}

namespace {

Endpoint endpoint_by(int (*ask)(int, sockaddr*, socklen_t*), int descriptor) {
  sockaddr_storage storage{};
  socklen_t size = sizeof storage;
  if (ask(descriptor, reinterpret_cast<sockaddr*>(&storage), &size) != 0) return {};
  return from_socket_name(reinterpret_cast<const sockaddr*>(&storage), size);
}

Code code_of(int errno_value) {
  switch (errno_value) {
    case ECONNREFUSED:
    case ECONNRESET:
    case ECONNABORTED:
    case EPIPE:
    case EHOSTUNREACH:
    case ENETUNREACH:
    case ENETDOWN:
    case ENOENT:
      return Code::Unavailable;
    case ETIMEDOUT:
      return Code::Timeout;
    case EACCES:
    case EPERM:
      return Code::Denied;
    case EADDRINUSE:
      return Code::Conflict;
    default:
      return Code::Io;
  }
}

}  // namespace

Endpoint local_endpoint(int descriptor) { return endpoint_by(getsockname, descriptor); }
Endpoint remote_endpoint(int descriptor) { return endpoint_by(getpeername, descriptor); }

Error socket_error(std::string_view what, int errno_value) {
  Error failure = io_error(what, errno_value);
  failure.code = code_of(errno_value);
  return failure;
}

Error address_in_use(const Endpoint& where, PortProtocol protocol) {
  if (where.is_unix())
    return error(Code::Conflict, "another process answers on {}: stop it or choose another path", where.to_string());
  const auto owner = port_owner(protocol, where.address());
  return error(Code::Conflict, "port {} is in use by {}: stop it or choose another port", where.to_string(),
               owner.value_or("another process"));
}

Result<UniqueFd> bind_socket(const Endpoint& where, const BindOptions& options) {
  const SocketName name = to_socket_name(where);
  UniqueFd fd(::socket(name.get()->sa_family, options.type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd) return socket_error("socket", errno);
  const int on = 1;
  if (!where.is_unix()) {
    if (options.type == SOCK_STREAM) setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (options.reuse_port) setsockopt(fd.get(), SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
    if (where.address().ip.is_v6()) setsockopt(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
  }
  if (::bind(fd.get(), name.get(), name.size) == 0) return fd;
  const int failure = errno;
  if (failure == EADDRINUSE)
    return address_in_use(where, options.type == SOCK_STREAM ? PortProtocol::Tcp : PortProtocol::Udp);
  return socket_error("bind", failure);
}

}  // namespace mesh::net
