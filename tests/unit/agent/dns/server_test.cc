#include "agent/dns/server.h"

#include <functional>
#include <set>

#include "agent/dns/writer.h"
#include "net/loop.h"
#include "net/tcp.h"
#include "net/udp.h"
#include "tests/test.h"
#include "tests/unit/agent/dns/dns_text.h"
#include "tests/unit/agent/dns/fake_zone.h"

namespace mesh::dns {
namespace {

constexpr std::string_view kZone = "node a 10.0.0.1\nservice web a - 80 passing 1\n";
constexpr Duration kPatience = seconds(20);
const net::Address kAnyPort{net::IpAddress::loopback(), 0};

Settings plain_settings() {
  Settings settings;
  settings.domains = {Name::from_text("mesh").value()};
  settings.node = "a";
  return settings;
}

Bytes framed(ByteView packet) {
  Bytes out{static_cast<char>(packet.size() >> 8), static_cast<char>(packet.size() & 0xff)};
  out.append(packet);
  return out;
}

std::uint16_t id_of(ByteView packet) { return Reader(packet).header().value().id; }

// What a recursor would say: the question and one address.
Bytes recursor_reply(ByteView query, bool truncated = false, Rcode rcode = Rcode::NoError) {
  const Query parsed = parse_query(query);
  Bytes out;
  Writer writer(out, 512, false);
  writer.question(parsed.question);
  if (rcode == Rcode::NoError && !truncated) {
    EXPECT(writer.add_address(Section::Answer, kQuestionName, 60, Bytes("\x01\x02\x03\x04", 4)));
  }
  writer.finish(parsed.header, {.truncated = truncated, .recursion_available = true, .rcode = rcode}, 1232);
  return out;
}

constexpr std::string_view kRelayed = "NOERROR ra | example.com. 60 A 1.2.3.4 | - | -";

struct UdpClient {
  explicit UdpClient(net::Loop& loop)
      : socket(net::UdpSocket::bind(loop, kAnyPort, {}, [this](const net::Address&, ByteView data) {
                 replies.emplace_back(data);
               }).value()) {}
  std::vector<Bytes> replies;
  std::unique_ptr<net::UdpSocket> socket;
};

struct TcpClient final : net::StreamObserver {
  TcpClient(net::Loop& loop, const net::Address& to)
      : connect(loop, to, {.deadline = loop.now() + kPatience, .source = {}},
                [this](Result<std::unique_ptr<net::Stream>> made) {
                  stream = std::move(made).value();
                  stream->set_observer(this);
                  stream->resume_reading();
                }) {}
  void on_data(ByteView data) override { input.append(data); }
  void on_end() override { ended = true; }
  void on_failed(const Error&) override { ended = true; }

  // The complete messages received so far.
  [[nodiscard]] std::vector<Bytes> replies() const {
    std::vector<Bytes> out;
    for (std::size_t at = 0; at + 2 <= input.size();) {
      const std::size_t size = static_cast<std::size_t>(static_cast<unsigned char>(input[at])) << 8 |
                               static_cast<unsigned char>(input[at + 1]);
      if (at + 2 + size > input.size()) break;
      out.push_back(input.substr(at + 2, size));
      at += 2 + size;
    }
    return out;
  }

  Bytes input;
  bool ended = false;
  std::unique_ptr<net::Stream> stream;
  net::StreamConnect connect;
};

// Answers, or not, whatever it is asked over UDP; keeps what it was asked.
struct FakeRecursor {
  using Reply = std::function<std::vector<Bytes>(ByteView query)>;
  FakeRecursor(net::Loop& loop, Reply how)
      : reply(std::move(how)),
        socket(net::UdpSocket::bind(loop, kAnyPort, {}, [this](const net::Address& from, ByteView data) {
                 asked.emplace_back(data);
                 for (const Bytes& packet : reply(data)) (void)socket->send(from, packet);
               }).value()) {}
  Reply reply;
  std::vector<Bytes> asked;
  std::unique_ptr<net::UdpSocket> socket;
};

struct Fixture {
  Fixture() : server(loop, plain_settings(), {.seed = 1}) {
    server.set_zone(std::make_shared<const FakeZone>(kZone));
    REQUIRE(server.listen(kAnyPort).ok());
    to = server.addresses()[0];
  }
  void use(const std::vector<net::Address>& recursors, Duration attempt = seconds(5)) {
    REQUIRE(server.configure(plain_settings(), {.recursors = recursors, .attempt_time = attempt}).ok());
  }
  bool wait(std::function<bool()> done) { return loop.run_until(std::move(done), kPatience); }

  net::Loop loop{"dns"};
  Server server;
  net::Address to;
};

}  // namespace

TEST_CASE("a question over UDP is answered from the zone in force") {
  Fixture at;
  UdpClient client(at.loop);
  client.socket->send(at.to, make_query({.name = "web.service.mesh", .id = 9}));
  REQUIRE(at.wait([&] { return client.replies.size() == 1; }));
  EXPECT_EQ(id_of(client.replies[0]), 9);
  EXPECT_EQ(describe_reply(client.replies[0]), "NOERROR aa | web.service.mesh. 0 A 10.0.0.1 | - | -");
  at.server.set_zone(std::make_shared<const FakeZone>("node a 10.0.0.2\nservice web a - 80 passing 1\n"));
  client.socket->send(at.to, make_query({.name = "web.service.mesh", .id = 10}));
  REQUIRE(at.wait([&] { return client.replies.size() == 2; }));
  EXPECT_EQ(describe_reply(client.replies[1]), "NOERROR aa | web.service.mesh. 0 A 10.0.0.2 | - | -");
}

TEST_CASE("pipelined questions on one TCP connection are all answered, however the bytes arrive") {
  Fixture at;
  TcpClient client(at.loop, at.to);
  REQUIRE(at.wait([&] { return client.stream != nullptr; }));
  Bytes bytes;
  for (std::uint16_t id = 1; id <= 100; ++id) bytes += framed(make_query({.name = "web.service.mesh", .id = id}));
  client.stream->write(ByteView(bytes).substr(0, 701));
  REQUIRE(at.wait([&] { return client.replies().size() >= 15; }));
  client.stream->write(ByteView(bytes).substr(701));
  REQUIRE(at.wait([&] { return client.replies().size() == 100; }));
  std::set<std::uint16_t> ids;
  for (const Bytes& reply : client.replies()) ids.insert(id_of(reply));
  EXPECT_EQ(ids.size(), 100U);
  client.stream->shutdown_write();
  EXPECT(at.wait([&] { return client.ended; }));
  EXPECT(at.wait([&] { return at.server.tcp_connections() == 0; }));
}

TEST_CASE("a TCP length that no question has ends the connection") {
  for (std::size_t size : {kTcpQueryBytesMax + 1, std::size_t{0}, kHeaderSize - 1}) {
    Fixture at;
    TcpClient client(at.loop, at.to);
    REQUIRE(at.wait([&] { return client.stream != nullptr; }));
    client.stream->write(framed(Bytes(size, 'x')));
    EXPECT(at.wait([&] { return client.ended && at.server.tcp_connections() == 0; }));
    EXPECT(client.input.empty());
  }
}

TEST_CASE("a foreign name is asked of the recursor under another id and relayed under the client's") {
  Fixture at;
  FakeRecursor recursor(at.loop, [](ByteView query) { return std::vector{recursor_reply(query)}; });
  at.use({recursor.socket->local()});
  UdpClient client(at.loop);
  std::set<std::uint16_t> ids;
  for (std::uint16_t id = 1; id <= 4; ++id) {
    client.socket->send(at.to, make_query({.name = "example.com", .id = id}));
    REQUIRE(at.wait([&] { return client.replies.size() == id; }));
    EXPECT_EQ(id_of(client.replies.back()), id);
    EXPECT_EQ(describe_reply(client.replies.back()), kRelayed);
    ids.insert(id_of(recursor.asked.back()));
  }
  EXPECT_GE(ids.size(), 3U);
  EXPECT_EQ(recursor.asked.size(), 4U);
}

TEST_CASE("answers with another id or to another question are not believed") {
  Fixture at;
  FakeRecursor recursor(at.loop, [](ByteView query) {
    Bytes other_id = recursor_reply(query);
    other_id[0] = static_cast<char>(other_id[0] ^ 1);
    const Bytes other_name = recursor_reply(make_query({.name = "example.net", .id = id_of(query)}));
    return std::vector{other_id, other_name, Bytes(query), recursor_reply(query)};
  });
  at.use({recursor.socket->local()});
  UdpClient client(at.loop);
  client.socket->send(at.to, make_query({.name = "example.com"}));
  REQUIRE(at.wait([&] { return !client.replies.empty(); }));
  EXPECT_EQ(describe_reply(client.replies[0]), kRelayed);
  EXPECT_EQ(client.replies.size(), 1U);
}

TEST_CASE("a recursor that is silent or refuses is passed over, and SERVFAIL ends the list") {
  Fixture at;
  FakeRecursor silent(at.loop, [](ByteView) { return std::vector<Bytes>{}; });
  FakeRecursor refusing(at.loop, [](ByteView query) { return std::vector{recursor_reply(query, false, Rcode::Refused)}; });
  FakeRecursor good(at.loop, [](ByteView query) { return std::vector{recursor_reply(query)}; });
  UdpClient client(at.loop);
  at.use({silent.socket->local(), refusing.socket->local(), good.socket->local()}, milliseconds(30));
  client.socket->send(at.to, make_query({.name = "example.com"}));
  REQUIRE(at.wait([&] { return client.replies.size() == 1; }));
  EXPECT_EQ(describe_reply(client.replies[0]), kRelayed);
  at.use({silent.socket->local()}, milliseconds(30));
  client.socket->send(at.to, make_query({.name = "example.com", .edns_size = 1232}));
  REQUIRE(at.wait([&] { return client.replies.size() == 2; }));
  EXPECT_EQ(describe_reply(client.replies[1]), "SERVFAIL ra | - | - | opt:1232");
}

TEST_CASE("equal questions in flight are asked once, and each client gets its own id back") {
  Fixture at;
  FakeRecursor silent(at.loop, [](ByteView) { return std::vector<Bytes>{}; });
  at.use({silent.socket->local()}, milliseconds(300));
  UdpClient one(at.loop);
  UdpClient two(at.loop);
  one.socket->send(at.to, make_query({.name = "example.com", .id = 1}));
  two.socket->send(at.to, make_query({.name = "example.com", .id = 2}));
  REQUIRE(at.wait([&] { return one.replies.size() == 1 && two.replies.size() == 1; }));
  EXPECT_EQ(id_of(one.replies[0]), 1);
  EXPECT_EQ(id_of(two.replies[0]), 2);
  EXPECT_EQ(silent.asked.size(), 1U);
}

TEST_CASE("a recursor that asks us back costs a bounded number of packets") {
  MetricRegistry metrics;
  net::Loop loop("dns");
  Server server(loop, plain_settings(), {.seed = 3, .metrics = &metrics});
  REQUIRE(server.listen(kAnyPort).ok());
  std::unique_ptr<UdpClient> back = std::make_unique<UdpClient>(loop);
  FakeRecursor mirror(loop, [&](ByteView query) {
    back->socket->send(server.addresses()[0], query);
    return std::vector<Bytes>{};
  });
  REQUIRE(server.configure(plain_settings(), {.recursors = {mirror.socket->local()}, .attempt_time = milliseconds(200)}).ok());
  UdpClient client(loop);
  client.socket->send(server.addresses()[0], make_query({.name = "example.com"}));
  REQUIRE(loop.run_until([&] { return client.replies.size() == 1; }, kPatience));
  EXPECT_EQ(mirror.asked.size(), 1U);
  EXPECT(metrics.prometheus_text().find("meshd_dns_forward_loops_total 1") != std::string::npos);
}

TEST_CASE("an answer truncated over UDP is asked for over TCP when the client came over TCP") {
  Fixture at;
  FakeRecursor recursor(at.loop, [](ByteView query) { return std::vector{recursor_reply(query, true)}; });
  struct Answering final : net::StreamObserver {
    void on_data(ByteView data) override { stream->write(framed(recursor_reply(data.substr(2)))); }
    void on_end() override {}
    void on_failed(const Error&) override {}
    std::unique_ptr<net::Stream> stream;
  } answering;
  const auto tcp = net::StreamListener::listen(at.loop, recursor.socket->local(), {},
                                               [&](std::unique_ptr<net::Stream> stream) {
                                                 answering.stream = std::move(stream);
                                                 answering.stream->set_observer(&answering);
                                                 answering.stream->resume_reading();
                                               });
  REQUIRE(tcp.ok());
  at.use({recursor.socket->local()});
  UdpClient udp_client(at.loop);
  udp_client.socket->send(at.to, make_query({.name = "example.com"}));
  REQUIRE(at.wait([&] { return udp_client.replies.size() == 1; }));
  EXPECT_EQ(describe_reply(udp_client.replies[0]), "NOERROR tc ra | - | - | -");
  TcpClient tcp_client(at.loop, at.to);
  REQUIRE(at.wait([&] { return tcp_client.stream != nullptr; }));
  tcp_client.stream->write(framed(make_query({.name = "example.com"})));
  REQUIRE(at.wait([&] { return tcp_client.replies().size() == 1; }));
  EXPECT_EQ(describe_reply(tcp_client.replies()[0]), kRelayed);
}

TEST_CASE("a slow answer from a recursor does not hold up a later question on the same connection") {
  Fixture at;
  FakeRecursor silent(at.loop, [](ByteView) { return std::vector<Bytes>{}; });
  at.use({silent.socket->local()}, milliseconds(200));
  TcpClient client(at.loop, at.to);
  REQUIRE(at.wait([&] { return client.stream != nullptr; }));
  client.stream->write(framed(make_query({.name = "example.com", .id = 1})) +
                       framed(make_query({.name = "web.service.mesh", .id = 2})));
  client.stream->shutdown_write();
  REQUIRE(at.wait([&] { return client.replies().size() == 2; }));
  EXPECT_EQ(id_of(client.replies()[0]), 2);
  EXPECT_EQ(id_of(client.replies()[1]), 1);
}

TEST_CASE("a recursor that is the agent itself is refused and nothing changes") {
  Fixture at;
  const Status status = at.server.configure(plain_settings(), {.recursors = {at.to}});
  REQUIRE_FALSE(status.ok());
  EXPECT(status.error().code == Code::Invalid);
}

TEST_CASE("a taken port is an error that names the address") {
  Fixture at;
  Server second(at.loop, plain_settings(), {});
  const Status status = second.listen(at.to);
  REQUIRE_FALSE(status.ok());
  EXPECT(status.error().message.find(at.to.to_string()) != std::string::npos);
  EXPECT(second.addresses().empty());
}

}  // namespace mesh::dns
