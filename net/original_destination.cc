#include "net/original_destination.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include <linux/netfilter_ipv4.h>  // after netinet/in.h, which it else defines anew

#include "net/mesh_range.h"
#include "net/sockets.h"

namespace mesh::net {

Result<Address> dialled_mesh_address(int descriptor) {
  const Endpoint own = local_endpoint(descriptor);
  if (!own.is_unix() && is_mesh_address(own.address().ip)) return own.address();
  sockaddr_in before{};
  socklen_t size = sizeof before;
  if (getsockopt(descriptor, IPPROTO_IP, SO_ORIGINAL_DST, &before, &size) == 0 && before.sin_family == AF_INET) {
    const Endpoint dialled = from_socket_name(reinterpret_cast<const sockaddr*>(&before), size);
    if (is_mesh_address(dialled.address().ip)) return dialled.address();
  }
  return error(Code::Denied, "{} is no mesh address: dial the address that SERVICE.mesh gives", own.to_string());
}

}  // namespace mesh::net
