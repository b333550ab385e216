#include "net/socket_owner.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>

#include "base/fd.h"
#include "net/original_destination.h"
#include "net/sockets.h"
#include "tests/test.h"

namespace mesh::net {
namespace {

// Blocking sockets: the kernel finishes a handshake on loopback inside connect().
struct Connection {
  UniqueFd listener, client, accepted;
  SocketOwner::Ends ends;
};

UniqueFd listen_at(const Address& where) {
  auto fd = bind_socket(where, {});
  REQUIRE(fd.ok());
  REQUIRE_EQ(::listen(fd->get(), 8), 0);
  return std::move(*fd);
}

UniqueFd dial(const Address& where, int family) {
  UniqueFd fd(::socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0));
  REQUIRE(fd);
  SocketName name = to_socket_name(where);
  if (family == AF_INET6 && where.ip.is_v4()) {
    sockaddr_in6 mapped{};
    mapped.sin6_family = AF_INET6;
    mapped.sin6_port = htons(where.port);
    mapped.sin6_addr.s6_addr[10] = mapped.sin6_addr.s6_addr[11] = 0xff;
    std::copy_n(where.ip.bytes().begin(), 4, &mapped.sin6_addr.s6_addr[12]);
    std::memcpy(&name.storage, &mapped, sizeof mapped);
    name.size = sizeof mapped;
  }
  REQUIRE_EQ(::connect(fd.get(), name.get(), name.size), 0);
  return fd;
}

Connection connect_to(const char* where, int family) {
  Connection out;
  out.listener = listen_at(*Address::parse(where));
  out.client = dial(local_endpoint(out.listener.get()).address(), family);
  out.accepted = UniqueFd(::accept4(out.listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
  REQUIRE(out.accepted);
  out.ends = {remote_endpoint(out.accepted.get()).address(), local_endpoint(out.accepted.get()).address()};
  return out;
}

std::uint64_t inode_of(const UniqueFd& fd) {
  struct stat status {};
  REQUIRE_EQ(::fstat(fd.get(), &status), 0);
  return status.st_ino;
}

SocketOwner opened() {
  auto owner = SocketOwner::open();
  REQUIRE(owner.ok());
  return std::move(*owner);
}

}  // namespace

TEST_CASE("the client of a loopback connection is found by IPv4, IPv6 and an IPv6 socket with an IPv4 address") {
  SocketOwner owner = opened();
  struct Case {
    const char* listen;
    int family;
  };
  for (const Case& one : {Case{"127.0.0.1:0", AF_INET}, Case{"127.7.8.9:0", AF_INET}, Case{"[::1]:0", AF_INET6},
                          Case{"127.0.0.1:0", AF_INET6}}) {
    CAPTURE(one.listen);
    const Connection connection = connect_to(one.listen, one.family);
    const auto facts = owner.client_of(connection.ends);
    REQUIRE(facts.ok());
    EXPECT_EQ(facts->uid, geteuid());
    EXPECT_EQ(facts->inode, inode_of(connection.client));
  }
}

TEST_CASE("the cgroup of the caller is that of this process") {
  SocketOwner owner = opened();
  const Connection a = connect_to("127.0.0.1:0", AF_INET);
  const Connection b = connect_to("127.0.0.1:0", AF_INET);
  const auto first = owner.client_of(a.ends);
  const auto second = owner.client_of(b.ends);
  REQUIRE(first.ok());
  REQUIRE(second.ok());
  EXPECT_EQ(first->cgroup_id, second->cgroup_id);
}

TEST_CASE("another user's connection is told by the user of the process that made it") {
  SocketOwner owner = opened();
  const UniqueFd listener = listen_at(*Address::parse("127.0.0.1:0"));
  const SocketName name = to_socket_name(local_endpoint(listener.get()));
  const bool root = geteuid() == 0;
  const uid_t other = root ? 65534 : geteuid();  // without root no second user is at hand: the same one then
  int ends[2];
  REQUIRE_EQ(::pipe(ends), 0);
  const UniqueFd wait_here(ends[0]);
  UniqueFd go(ends[1]);
  const pid_t child = fork();
  if (child == 0) {
    ::close(ends[1]);
    char byte = 0;
    const bool turned = !root || setuid(other) == 0;
    const int fd = turned ? ::socket(AF_INET, SOCK_STREAM, 0) : -1;
    if (fd < 0 || ::connect(fd, name.get(), name.size) != 0) _exit(1);
    _exit(::read(ends[0], &byte, 1) == 0 ? 0 : 1);
  }
  REQUIRE(child > 0);
  int accepted = -1;
  while (accepted < 0 && ::waitpid(child, nullptr, WNOHANG) == 0)
    accepted = ::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC);
  REQUIRE_GE(accepted, 0);
  const UniqueFd stream(accepted);
  const auto facts = owner.client_of({remote_endpoint(accepted).address(), local_endpoint(accepted).address()});
  go.reset();
  int status = 0;
  REQUIRE_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  REQUIRE(facts.ok());
  EXPECT_EQ(facts->uid, other);
}

TEST_CASE("a socket whose process has closed it never passes for root") {
  SocketOwner owner = opened();
  Connection connection = connect_to("127.0.0.1:0", AF_INET);
  connection.client.reset();  // FIN-WAIT: the server's end is still open
  const auto facts = owner.client_of(connection.ends);
  REQUIRE(facts.ok());
  EXPECT_EQ(facts->inode, 0u);
  if (geteuid() == 0) EXPECT_FALSE(facts->uid.has_value());
}

TEST_CASE("a connection in TIME-WAIT and one that is gone prove nothing") {
  SocketOwner owner = opened();
  Connection connection = connect_to("127.0.0.1:0", AF_INET);
  connection.client.reset();
  connection.accepted.reset();  // the client's end closed first: it is the one that waits
  auto facts = owner.client_of(connection.ends);
  REQUIRE_FALSE(facts.ok());
  EXPECT_EQ(facts.error().code, Code::NotFound);

  const Connection other = connect_to("127.0.0.1:0", AF_INET);
  const linger at_once{1, 0};
  setsockopt(other.client.get(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  const SocketOwner::Ends never{{IpAddress::loopback(), 1}, other.ends.dialled};
  facts = owner.client_of(never);
  REQUIRE_FALSE(facts.ok());
  EXPECT_EQ(facts.error().code, Code::NotFound);
}

TEST_CASE("a listener at the client's address is not taken for the client") {
  SocketOwner owner = opened();
  const UniqueFd listener = listen_at(*Address::parse("127.0.0.1:0"));
  const Address at = local_endpoint(listener.get()).address();
  const auto facts = owner.client_of({at, {IpAddress::loopback(), 9}});
  REQUIRE_FALSE(facts.ok());
  EXPECT_EQ(facts.error().code, Code::NotFound);
}

TEST_CASE("who listens on a port is known, behind a wildcard too") {
  SocketOwner owner = opened();
  for (const char* where : {"127.0.0.1:0", "0.0.0.0:0", "[::]:0"}) {
    CAPTURE(where);
    const UniqueFd listener = listen_at(*Address::parse(where));
    const Address bound = local_endpoint(listener.get()).address();
    const Address asked{bound.ip.is_v4() ? IpAddress::loopback() : *IpAddress::parse("::1"), bound.port};
    const auto facts = owner.listener_at(asked);
    REQUIRE(facts.ok());
    EXPECT_EQ(facts->uid, geteuid());
    EXPECT_EQ(facts->inode, inode_of(listener));
  }
}

TEST_CASE("a dual-stack listener is found by its IPv4 address") {
  SocketOwner owner = opened();
  const UniqueFd fd(::socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in6 any{};
  any.sin6_family = AF_INET6;
  REQUIRE_EQ(::bind(fd.get(), reinterpret_cast<const sockaddr*>(&any), sizeof any), 0);
  REQUIRE_EQ(::listen(fd.get(), 8), 0);
  const auto facts = owner.listener_at({IpAddress::loopback(), local_endpoint(fd.get()).address().port});
  REQUIRE(facts.ok());
  EXPECT_EQ(facts->inode, inode_of(fd));
}

TEST_CASE("nobody at a port is an answer of its own") {
  SocketOwner owner = opened();
  auto bound = bind_socket(*Address::parse("127.0.0.1:0"), {});  // bound, not listening
  REQUIRE(bound.ok());
  const auto facts = owner.listener_at(local_endpoint(bound->get()).address());
  REQUIRE_FALSE(facts.ok());
  EXPECT_EQ(facts.error().code, Code::NotFound);
}

TEST_CASE("the dialled address counts only inside the range of the mesh") {
  const Connection inside = connect_to("127.128.0.77:0", AF_INET);
  const auto dialled = dialled_mesh_address(inside.accepted.get());
  REQUIRE(dialled.ok());
  EXPECT_EQ(*dialled, inside.ends.dialled);
  const Connection outside = connect_to("127.0.0.1:0", AF_INET);
  const auto refused = dialled_mesh_address(outside.accepted.get());
  REQUIRE_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, Code::Denied);
}

}  // namespace mesh::net
