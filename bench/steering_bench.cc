// What steering costs a short connection (connect, one byte each way, close): sk_lookup, an own listener, and nftables'
// redirect, in turns of one run; and what it costs to ask the kernel who called. Root; in namespaces of its own.
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <functional>
#include <string>
#include <vector>

#include "base/check.h"
#include "base/clock.h"
#include "base/file.h"
#include "daemon/steer/nftables.h"
#include "daemon/steer/sk_lookup.h"
#include "net/original_destination.h"
#include "net/socket_owner.h"
#include "net/sockets.h"

namespace {

using namespace mesh;

constexpr int kRounds = 31;
constexpr int kConnectionsPerRound = 1000;

void enter_namespaces() {
  CHECK(unshare(CLONE_NEWNET | CLONE_NEWNS) == 0, "needs root: {}", std::strerror(errno));
  CHECK(mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0);
  const UniqueFd any(::socket(AF_INET, SOCK_DGRAM, 0));
  ifreq lo{};
  std::strcpy(lo.ifr_name, "lo");
  lo.ifr_flags = IFF_UP | IFF_RUNNING;
  CHECK(ioctl(any.get(), SIOCSIFFLAGS, &lo) == 0);
}

UniqueFd listener() {
  auto fd = net::bind_socket(net::Address{net::IpAddress::loopback(), 0}, {});
  CHECK(fd.ok() && ::listen(fd->get(), 64) == 0);
  return std::move(*fd);
}

// One thread: on loopback the kernel does the whole handshake inside connect().
void one_connection(const net::SocketName& to, int listening, const std::function<void(int)>& look) {
  const UniqueFd client(::socket(AF_INET, SOCK_STREAM, 0));
  const linger at_once{1, 0};  // no TIME-WAIT
  setsockopt(client.get(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  CHECK(::connect(client.get(), to.get(), to.size) == 0, "{}", std::strerror(errno));
  const UniqueFd server(::accept4(listening, nullptr, nullptr, 0));
  CHECK(server);
  if (look) look(server.get());
  char byte = 'x';
  CHECK(::send(client.get(), &byte, 1, 0) == 1 && ::recv(server.get(), &byte, 1, 0) == 1);
  CHECK(::send(server.get(), &byte, 1, 0) == 1 && ::recv(client.get(), &byte, 1, 0) == 1);
}

struct Case {
  const char* name;
  net::SocketName to;
  int listening;
  std::function<void(int)> look{};
  std::vector<double> microseconds{};

  void round() {
    const MonoTime start = mono_now();
    for (int n = 0; n < kConnectionsPerRound; ++n) one_connection(to, listening, look);
    microseconds.push_back(static_cast<double>((mono_now() - start).count()) / 1000.0 / kConnectionsPerRound);
  }
  [[nodiscard]] double median() {
    std::sort(microseconds.begin(), microseconds.end());
    return microseconds[microseconds.size() / 2];
  }
};

void print(std::vector<Case>& cases) {
  const double base = cases.front().median();
  for (Case& one : cases) std::printf("%-42s %7.2f us  x %.3f\n", one.name, one.median(), one.median() / base);
}

void run(std::vector<Case>& cases) {
  for (int n = 0; n < kRounds; ++n)
    for (Case& one : cases) one.round();
  print(cases);
}

net::SocketName name_of(const char* text) { return net::to_socket_name(*net::Address::parse(text)); }

void ask_who_calls(net::SocketOwner& owner, int server) {
  const auto dialled = net::dialled_mesh_address(server);
  CHECK(dialled.ok());
  const auto facts = owner.client_of({net::remote_endpoint(server).address(), *dialled});
  CHECK(facts.ok() && facts->uid == geteuid(), "the kernel does not tell");
}

void lookups_alone(net::SocketOwner& owner, const UniqueFd& listening) {
  const UniqueFd client(::socket(AF_INET, SOCK_STREAM, 0));
  const net::SocketName to = net::to_socket_name(net::local_endpoint(listening.get()));
  CHECK(::connect(client.get(), to.get(), to.size) == 0);
  const UniqueFd server(::accept4(listening.get(), nullptr, nullptr, 0));
  const net::SocketOwner::Ends ends{net::remote_endpoint(server.get()).address(), net::local_endpoint(server.get()).address()};
  constexpr int kLookups = 200'000;
  const MonoTime start = mono_now();
  for (int n = 0; n < kLookups; ++n) CHECK(owner.client_of(ends).ok());
  std::printf("%-42s %7.2f us\n", "one sock_diag lookup", static_cast<double>((mono_now() - start).count()) / 1000.0 / kLookups);
}

}  // namespace

int main() {
  enter_namespaces();
  auto folder = TempDir::make();
  CHECK(folder.ok());
  const std::string bpf = folder->file("bpf");
  CHECK(::mkdir(bpf.c_str(), 0700) == 0 && ::mount("bpf", bpf.c_str(), "bpf", 0, nullptr) == 0);

  const UniqueFd plain = listener();
  UniqueFd steered = listener();
  auto opened = net::SocketOwner::open();
  CHECK(opened.ok());
  net::SocketOwner& owner = *opened;
  const net::SocketName own = net::to_socket_name(net::local_endpoint(plain.get()));
  std::vector<Case> before = {{"own listener, no program attached", own, plain.get()}};
  run(before);

  steer::SkLookup sk_lookup(bpf + "/meshd");
  steer::Sockets sockets;
  const std::uint16_t port = net::local_endpoint(steered.get()).address().port;
  const int steered_fd = steered.get();
  sockets.listeners.push_back({UniqueFd(dup(steered_fd)), {net::IpAddress::loopback(), port}});
  const steer::Trouble trouble = sk_lookup.put(sockets);
  CHECK(!trouble.any(), "{}", trouble.message);
  const net::SocketName mesh_address = name_of("127.128.0.5:80");
  std::vector<Case> cases = {{"own listener", own, plain.get()},
                             {"sk_lookup", mesh_address, steered_fd},
                             {"sk_lookup, and asking who calls", mesh_address, steered_fd,
                              [&owner](int server) { ask_who_calls(owner, server); }}};
  run(cases);
  lookups_alone(owner, plain);
  CHECK(sk_lookup.remove().ok());

  if (const Status applied = steer::nft_apply({.listeners = {port}}); !applied.ok()) {
    std::printf("nftables: %s\n", applied.error().message.c_str());
  } else {
    std::vector<Case> redirected = {{"own listener, with the redirect in force", own, plain.get()},
                                    {"nftables redirect", mesh_address, steered_fd}};
    run(redirected);
  }
  ::umount(bpf.c_str());
  return 0;
}
