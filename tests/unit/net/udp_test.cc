#include "net/udp.h"

#include <optional>

#include "net/resolver.h"
#include "tests/unit/net/net_fixture.h"

namespace mesh::net {

TEST_CASE("datagrams arrive whole with their sender") {
  Loop loop("test");
  for (const char* where : {"127.0.0.1:0", "[::1]:0"}) {
    std::vector<std::string> got;
    Address sender;
    auto server = UdpSocket::bind(loop, *Address::parse(where), {}, [&](const Address& from, ByteView data) {
      sender = from;
      got.emplace_back(data);
    });
    auto client = UdpSocket::bind(loop, *Address::parse(where), {}, [](const Address&, ByteView) {});
    REQUIRE(server.ok());
    REQUIRE(client.ok());
    for (int n = 0; n < 40; ++n) EXPECT((*client)->send((*server)->local(), std::to_string(n)));
    EXPECT((*client)->send((*server)->local(), ""));
    REQUIRE(wait_for(loop, [&] { return got.size() == 41; }));
    EXPECT_EQ(sender, (*client)->local());
    EXPECT_EQ(got[39], "39");
    EXPECT_EQ(got[40], "");
    EXPECT_EQ((*server)->received_total(), 41u);
  }
}

TEST_CASE("a datagram that is too large is dropped and counted") {
  Loop loop("test");
  auto socket = UdpSocket::bind(loop, Address{IpAddress::loopback(), 0}, {}, [](const Address&, ByteView) {});
  REQUIRE(socket.ok());
  EXPECT_FALSE((*socket)->send((*socket)->local(), Bytes(kDatagramBytesMax + 1, 'x')));
  EXPECT_EQ((*socket)->send_drops_total(), 1u);
}

TEST_CASE("a UDP socket may be destroyed by its own callback in the middle of a batch") {
  Loop loop("test");
  int calls = 0;
  std::unique_ptr<UdpSocket> server;
  auto made = UdpSocket::bind(loop, Address{IpAddress::loopback(), 0}, {}, [&](const Address&, ByteView) {
    ++calls;
    server.reset();
  });
  REQUIRE(made.ok());
  server = std::move(*made);
  const Address to = server->local();
  auto client = UdpSocket::bind(loop, Address{IpAddress::loopback(), 0}, {}, [](const Address&, ByteView) {});
  for (int n = 0; n < 8; ++n) (*client)->send(to, "x");
  REQUIRE(wait_for(loop, [&] { return server == nullptr; }));
  settle(loop);
  EXPECT_EQ(calls, 1);
}

TEST_CASE("a taken UDP port is a Conflict") {
  Loop loop("test");
  auto one = UdpSocket::bind(loop, Address{IpAddress::loopback(), 0}, {}, [](const Address&, ByteView) {});
  REQUIRE(one.ok());
  auto two = UdpSocket::bind(loop, (*one)->local(), {}, [](const Address&, ByteView) {});
  REQUIRE_FALSE(two.ok());
  EXPECT_EQ(two.error().code, Code::Conflict);
}

TEST_CASE("a literal address and localhost resolve; an empty name does not") {
  Loop loop("test");
  std::vector<Result<std::vector<IpAddress>>> answers;
  const auto keep = [&](Result<std::vector<IpAddress>> answer) { answers.push_back(std::move(answer)); };
  const MonoTime deadline = loop.now() + kTestPatience;
  Resolve literal(loop, "fd00::5", deadline, keep);
  Resolve empty(loop, "", deadline, keep);
  EXPECT(answers.empty());
  REQUIRE(wait_for(loop, [&] { return answers.size() == 2; }));
  EXPECT_EQ(answers[0]->front().to_string(), "fd00::5");
  EXPECT_EQ(answers[1].error().code, Code::NotFound);
  Resolve name(loop, "localhost", deadline, keep);
  { Resolve cancelled(loop, "localhost", deadline, [](auto) { FAIL("cancelled"); }); }
  REQUIRE(wait_for(loop, [&] { return answers.size() == 3; }));
  EXPECT(answers[2]->front().is_loopback());
}

TEST_CASE("localhost and what is below it is this host, whatever /etc/hosts says") {
  Loop loop("test");
  for (const char* name : {"localhost", "LocalHost.", "db.localhost"}) {
    std::optional<Result<std::vector<IpAddress>>> answer;
    const Resolve resolve(loop, name, loop.now() + kTestPatience, [&](Result<std::vector<IpAddress>> result) { answer = std::move(result); });
    REQUIRE(wait_for(loop, [&] { return answer.has_value(); }));
    REQUIRE(answer->ok());
    REQUIRE_EQ((*answer)->size(), 2U);
    for (const IpAddress& address : **answer) EXPECT(address.is_loopback());
  }
}

}  // namespace mesh::net
