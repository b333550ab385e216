#include "net/own_address.h"

#include <sys/socket.h>

#include <string_view>

#include "base/fd.h"
#include "net/sockets.h"

namespace mesh::net {
namespace {

// Connecting a datagram socket makes the kernel choose a route and a source address, without a packet. The addresses
// are those set aside for documentation (RFC 5737, RFC 3849): reached by the default route alone.
Result<IpAddress> source_towards(std::string_view documentation_address) {
  MESH_TRY(ip, IpAddress::parse(documentation_address));
  const SocketName to = to_socket_name(Endpoint(ip, 9));
  const UniqueFd probe(socket(to.get()->sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!probe || connect(probe.get(), to.get(), to.size) != 0)
    return error(Code::NotFound, "there is no default route");
  return local_endpoint(probe.get()).address().ip;
}

}  // namespace

Result<IpAddress> own_address() {
  if (auto ip = source_towards("192.0.2.1"); ip.ok()) return ip;
  return source_towards("2001:db8::1");
}

}  // namespace mesh::net
