#include "daemon/steer/checks.h"

#include <sys/socket.h>
#include <unistd.h>

#include "daemon/steer/nftables.h"
#include "net/sockets.h"
#include "tests/test.h"

namespace mesh::steer {
namespace {

UniqueFd bound(int type, const char* where, bool listening) {
  auto fd = net::bind_socket(*net::Address::parse(where), {.type = type});
  REQUIRE(fd.ok());
  if (listening) REQUIRE_EQ(::listen(fd->get(), 8), 0);
  return std::move(*fd);
}

std::vector<UniqueFd> list_of(UniqueFd a) {
  std::vector<UniqueFd> out;
  out.push_back(std::move(a));
  return out;
}

HandOver one_listener() {
  HandOver message;
  message.listeners = 1;
  return message;
}

HandOver only_udp() {
  HandOver message;
  message.dns_udp = true;
  return message;
}

std::string refusal(const HandOver& message, UniqueFd fd) {
  const auto checked = check_sockets(message, list_of(std::move(fd)));
  REQUIRE_FALSE(checked.ok());
  EXPECT_EQ(checked.error().code, Code::Invalid);
  return checked.error().message;
}

}  // namespace

TEST_CASE("a listening socket and a bound UDP socket are taken with the address they are bound to") {
  std::vector<UniqueFd> all;
  all.push_back(bound(SOCK_STREAM, "127.0.0.1:0", true));
  all.push_back(bound(SOCK_DGRAM, "127.0.0.1:0", false));
  all.push_back(bound(SOCK_STREAM, "127.0.0.1:0", true));
  const net::Address dns = net::local_endpoint(all[1].get()).address();
  HandOver message = one_listener();
  message.dns_udp = message.dns_tcp = true;
  const auto checked = check_sockets(message, std::move(all));
  REQUIRE(checked.ok());
  EXPECT_EQ(checked->listeners.size(), 1u);
  EXPECT_EQ(checked->dns_udp->bound, dns);
  EXPECT(checked->dns_tcp.has_value());
}

TEST_CASE("what is no socket of the kind that the message says is refused and named") {
  EXPECT_EQ(refusal(one_listener(), bound(SOCK_STREAM, "127.0.0.1:0", false)), "listener 0 does not listen");
  EXPECT_EQ(refusal(one_listener(), bound(SOCK_STREAM, "[::1]:0", true)), "listener 0 is no IPv4 socket");
  EXPECT_EQ(refusal(one_listener(), bound(SOCK_DGRAM, "127.0.0.1:0", false)), "listener 0 is no TCP socket");
  EXPECT_EQ(refusal(only_udp(), bound(SOCK_STREAM, "127.0.0.1:0", true)), "the DNS socket for UDP is no UDP socket");
  EXPECT_EQ(refusal(only_udp(), UniqueFd(::socket(AF_INET, SOCK_DGRAM, 0))), "the DNS socket for UDP is not bound");
  int ends[2];
  REQUIRE_EQ(::pipe(ends), 0);
  const UniqueFd other(ends[1]);
  EXPECT_EQ(refusal(one_listener(), UniqueFd(ends[0])), "listener 0 is no IPv4 socket");
  UniqueFd connected = bound(SOCK_DGRAM, "127.0.0.1:0", false);
  const net::SocketName peer = net::to_socket_name(*net::Address::parse("127.0.0.1:9"));
  REQUIRE_EQ(::connect(connected.get(), peer.get(), peer.size), 0);
  EXPECT_EQ(refusal(only_udp(), std::move(connected)), "the DNS socket for UDP is connected");
}

TEST_CASE("more or fewer descriptors than the message says are refused") {
  EXPECT_FALSE(check_sockets(one_listener(), {}).ok());
  EXPECT_FALSE(check_sockets(HandOver{}, list_of(bound(SOCK_STREAM, "127.0.0.1:0", true))).ok());
}

TEST_CASE("the nftables fallback spreads over listeners, keeps DNS apart and refuses the rest") {
  const std::string none = nft_rules({});
  EXPECT_EQ(none.find("dnat"), std::string::npos);
  EXPECT_NE(none.find("ip daddr 127.128.0.0/10 ip protocol tcp reject with tcp reset"), std::string::npos);
  EXPECT(none.starts_with("table ip meshd_steer\ndelete table ip meshd_steer\n"));
  const std::string two = nft_rules({.listeners = {4000, 4001}, .dns_udp = 5300, .dns_tcp = 5301});
  EXPECT_NE(two.find("jhash tcp sport mod 2 map { 0 : 4000, 1 : 4001 }"), std::string::npos);
  EXPECT_LT(two.find("tcp dport 53 dnat to 127.0.0.1:5301"), two.find("jhash"));
  EXPECT_NE(two.find("udp dport 53 dnat to 127.0.0.1:5300"), std::string::npos);
  EXPECT_NE(nft_rules({.listeners = {4000}}).find("ip protocol tcp dnat to 127.0.0.1:4000"), std::string::npos);
}

}  // namespace mesh::steer
