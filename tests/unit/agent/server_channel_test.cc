#include "agent/server_channel.h"

#include "model/spiffe.h"
#include "tests/unit/net/rpc_tls_fixture.h"

namespace mesh::agent {
namespace {

using net::RpcPeer;
using net::Authority;
using Kind = model::SpiffeId::Kind;

const std::string kTrustDomain = "11111111-1111-1111-1111-111111111111.mesh";
const std::string kOtherDomain = "22222222-2222-2222-2222-222222222222.mesh";

std::string id_of(Kind kind, const std::string& name, const std::string& trust_domain = kTrustDomain) {
  return model::SpiffeId{kind, trust_domain, "dc1", name}.uri();
}
std::string node_id(int n) { return fmt::format("{:08}-0000-0000-0000-000000000000", n); }

const Authority& authority() {
  static const Authority one;
  return one;
}

// A server at its own port under a certificate of its own, which says who called.
struct TestServer {
  TestServer(net::Loop& loop, net::HandshakePool& pool, const std::string& uri, std::string shown) : service(rpc) {
    net::RpcTlsListenerOptions options;
    options.tls = [identity = authority().identity(uri, {model::server_sni("dc1", kTrustDomain)})] {
      net::TlsServerOptions tls;
      tls.select = [identity](std::string_view name) {
        return name == model::server_sni("dc1", kTrustDomain) ? identity : nullptr;
      };
      tls.trust = authority().trust;
      return tls;
    };
    options.peer_of = [shown = std::move(shown)](const net::CertificateInfo* certificate) -> Result<RpcPeer> {
      MESH_TRY(id, model::SpiffeId::parse(certificate->uris.at(0)));
      return RpcPeer{RpcPeer::Kind::Agent, id.name + " at " + shown};
    };
    auto made = net::RpcTlsListener::listen(loop, net::any_loopback_port(), pool, rpc, std::move(options));
    REQUIRE(made.ok());
    listener = std::move(*made);
  }
  ~TestServer() { service.drop(); }

  net::RpcServer rpc;
  net::TestService service;
  std::unique_ptr<net::RpcTlsListener> listener;
};

struct Rig {
  static ServerChannelOptions options() {
    ServerChannelOptions options{.datacenter = "dc1", .trust_domain = kTrustDomain};
    options.redial.pause_min = milliseconds(1);
    options.redial.pause_max = milliseconds(5);
    options.redial.stable_time = Duration::zero();
    return options;
  }
  void set_up(int node = 1) {
    channel->set_identity(authority().identity(id_of(Kind::Agent, node_id(node))));
    channel->set_trust(authority().trust);
  }
  [[nodiscard]] bool connected() {
    return net::wait_for(client, [&] { return channel->state().connected; });
  }
  std::string who() {
    net::Answer answer;
    net::ask(*this, answer, net::kWho, "");
    REQUIRE(net::wait_for(client, [&] { return answer.done(); }));
    return answer.result->ok() ? **answer.result : answer.result->error().message;
  }
  // Why there is no connection, once an attempt has failed.
  std::string refusal() {
    REQUIRE(net::wait_for(client, [&] { return channel->state().failures != 0; }));
    return channel->describe();
  }

  net::HandshakePool pool;
  net::Loop client{"test"};
  std::unique_ptr<ServerChannel> channel = std::make_unique<ServerChannel>(client, pool, Rng(5), options());
};

TEST_CASE("server channel: it dials once it has servers, an identity and a trust, and says so until then") {
  Rig rig;
  TestServer server(rig.client, rig.pool, id_of(Kind::Server, node_id(100)), "a");
  rig.channel->set_servers({server.listener->local()});
  EXPECT_EQ(rig.who(), "not connected to a server: no server is known");
  rig.set_up();
  REQUIRE(rig.connected());
  EXPECT_EQ(rig.who(), "2 " + node_id(1) + " at a");
  EXPECT_EQ(rig.channel->describe(), "connected to " + server.listener->local().to_string());
}

TEST_CASE("server channel: a dead server's agents go on at another one") {
  Rig rig;
  std::optional<TestServer> a(std::in_place, rig.client, rig.pool, id_of(Kind::Server, node_id(100)), "a");
  std::optional<TestServer> b(std::in_place, rig.client, rig.pool, id_of(Kind::Server, node_id(101)), "b");
  rig.set_up();
  rig.channel->set_servers({a->listener->local(), b->listener->local()});
  REQUIRE(rig.connected());
  const bool at_a = rig.who().ends_with("a");
  (at_a ? a : b).reset();
  REQUIRE(net::wait_for(rig.client, [&] { return !rig.channel->state().connected; }));
  REQUIRE(rig.connected());
  EXPECT(rig.who().ends_with(at_a ? "b" : "a"));
}

TEST_CASE("server channel: a new identity is used for new calls while old ones finish") {
  Rig rig;
  TestServer server(rig.client, rig.pool, id_of(Kind::Server, node_id(100)), "a");
  rig.channel->set_servers({server.listener->local()});
  rig.set_up(1);
  REQUIRE(rig.connected());
  net::Answer parked;
  net::ask(rig, parked, net::kPark, "");
  REQUIRE(net::wait_for(rig.client, [&] { return server.service.parked_total == 1; }));
  rig.channel->set_identity(authority().identity(id_of(Kind::Agent, node_id(2))));
  EXPECT_EQ(rig.who(), "2 " + node_id(1) + " at a");
  REQUIRE(net::wait_for(rig.client, [&] { return server.listener->connections() == 2; }));
  REQUIRE(net::wait_for(rig.client, [&] { return rig.who() == "2 " + node_id(2) + " at a"; }));
  std::exchange(server.service.parked, nullptr)->finish(Bytes("finished"));
  REQUIRE(net::wait_for(rig.client, [&] { return parked.done() && server.listener->connections() == 1; }));
  EXPECT_EQ(**parked.result, "finished");
}

TEST_CASE("server channel: only a server of the own trust domain is talked to, and the refusal says why") {
  for (const std::string& uri : {id_of(Kind::Service, "server"), id_of(Kind::Agent, node_id(9)),
                                 id_of(Kind::Server, node_id(9), kOtherDomain)}) {
    Rig rig;
    TestServer server(rig.client, rig.pool, uri, "impostor");
    rig.channel->set_servers({server.listener->local()});
    rig.set_up();
    EXPECT_NE(rig.refusal().find(uri), std::string::npos);
    EXPECT_FALSE(rig.channel->state().connected);
  }
}

TEST_CASE("server channel: a server under another root is refused until the new root is trusted") {
  Rig rig;
  TestServer server(rig.client, rig.pool, id_of(Kind::Server, node_id(100)), "a");
  rig.channel->set_servers({server.listener->local()});
  const Authority other("other root");
  rig.channel->set_identity(authority().identity(id_of(Kind::Agent, node_id(1))));
  rig.channel->set_trust(other.trust);
  EXPECT_NE(rig.refusal().find(server.listener->local().to_string()), std::string::npos);
  rig.channel->set_trust(authority().trust);
  REQUIRE(rig.connected());
  EXPECT_EQ(rig.who(), "2 " + node_id(1) + " at a");
}

}  // namespace
}  // namespace mesh::agent
