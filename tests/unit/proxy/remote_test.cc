// Connections between two hosts: mutual TLS, preface, status.
#include "agent/proxy/preface.h"
#include "net/tls/tls_stream.h"
#include "tests/unit/proxy/proxy_fixture.h"
#include "tests/unit/proxy/same_subject_roots.h"

namespace mesh::proxy {

namespace {

using model::IntentionAction;
using net::Loop;
using net::wait_for;

// web runs on host a and calls db, which runs on host b.
struct TwoHosts {
  explicit TwoHosts(const ProxyLimits& limits = {}, TestAuthority with_authority = TestAuthority(),
                    const net::HandshakePoolOptions& with_pool = {.threads = 1})
      : pool(with_pool), authority(std::move(with_authority)), a(loop, pool, authority, 31, limits), b(loop, pool, authority, 32, limits), program(loop) {
    a.route_to("db");
    a.endpoints_of("db", {b.endpoint("db-1")});
    a.next.processes = std::make_shared<const ProcessRules>(std::vector<ProcessRule>{{"web", 1000}});
    a.ids.services["web"] = authority.service("web", a.node_id);
    a.proof.facts = CallerFacts{.uid = 1000};
    b.ids.services["db"] = authority.service("db", b.node_id);
    b.run_instance("db-1", "db", program.where());
    b.know(a);
    b.rules({intention("rule-1", "web", "db", IntentionAction::Allow)}, IntentionAction::Deny);
    a.publish();
    b.publish();
  }
  bool until(auto condition) { return wait_for(loop, condition); }
  bool is_reset(CallingProgram& caller) { return caller.is_reset(loop); }

  Loop loop{"test"};
  net::HandshakePool pool;
  TestAuthority authority;
  Host a, b;
  Program program;
};

// Another agent, made by hand: TLS to the mesh port of a host.
struct ByHand {
  ByHand(TwoHosts& on, std::shared_ptr<const net::TlsIdentity> identity, const std::string& server_name,
         net::TlsVerify verify = {})
      : two(on),
        connect(on.loop, on.b.proxy->inbound_address(), {.deadline = on.loop.now() + net::kTestPatience},
                [this, identity, server_name, verify](Result<std::unique_ptr<net::Stream>> result) {
                  REQUIRE(result.ok());
                  net::TlsClientOptions options;
                  options.identity = identity;
                  options.trust = two.a.ids.trust;
                  options.server_name = server_name;
                  options.alpn = {std::string(kMeshTcpAlpn)};
                  options.verify = verify;
                  handshake = std::make_unique<net::TlsHandshake>(
                      two.pool, std::move(*result), std::move(options),
                      [this](Result<std::unique_ptr<net::TlsStream>> done) {
                        if (!done.ok()) {
                          failure = done.error();
                          return;
                        }
                        stream = std::move(*done);
                        stream->set_observer(&seen);
                        stream->resume_reading();
                      });
                }) {
    REQUIRE(on.until([this] { return stream != nullptr || failure.has_value(); }));
  }
  Result<PrefaceStatus> status() {
    FrameReader reader;
    ByteView data = seen.received;
    MESH_TRY(whole, reader.feed(data));
    if (!whole) return error(Code::NotFound, "no status");
    return reader.status();
  }

  TwoHosts& two;
  net::RecordingObserver seen;
  std::optional<Error> failure;
  std::unique_ptr<net::TlsStream> stream;
  std::unique_ptr<net::TlsHandshake> handshake;
  net::StreamConnect connect;
};

std::string db_name() { return model::service_sni("db", kTestDc, kTestDomain); }

}  // namespace

TEST_CASE("a request and its answer cross two hosts under mutual TLS, both half-closes apart") {
  TwoHosts two;
  CallingProgram caller(two.loop, two.a.mesh_address());
  caller.write("question");
  REQUIRE(two.until([&] { return two.program.received() == "question"; }));
  caller.stream->shutdown_write();
  REQUIRE(two.until([&] { return two.program.calls[0]->seen.ended; }));
  const Bytes answer(3 << 20, 'a');
  two.program.calls[0]->stream->write(answer);
  two.program.calls[0]->stream->shutdown_write();
  REQUIRE(two.until([&] { return caller.seen.ended; }));
  EXPECT(caller.seen.received == answer);
  REQUIRE(two.until([&] { return two.a.closed("outbound", "CONNECTED") == 1 && two.b.closed("inbound", "CONNECTED") == 1; }));
  EXPECT_EQ(two.b.metric("meshd_proxy_sent_bytes_total", {"inbound", "source=\"web\"", "destination=\"db\""}), 8);
  EXPECT_EQ(two.a.metric("meshd_proxy_sent_bytes_total", {"outbound", "source=\"web\"", "destination=\"db\""}), 8);
  EXPECT_EQ(two.a.metric("meshd_proxy_received_bytes_total", {"outbound"}), double(answer.size()));
  EXPECT(two.a.conserved());
  EXPECT(two.b.conserved());
}

TEST_CASE("a service that speaks first is heard without a byte from the caller") {
  TwoHosts two;
  two.program.greeting = "220 ready";
  CallingProgram caller(two.loop, two.a.mesh_address());
  REQUIRE(two.until([&] { return caller.seen.received == "220 ready"; }));
}

TEST_CASE("a reset crosses the hosts in both directions") {
  TwoHosts two;
  CallingProgram caller(two.loop, two.a.mesh_address());
  REQUIRE(two.until([&] { return two.program.calls.size() == 1; }));
  two.program.calls[0]->stream->reset();
  EXPECT(two.is_reset(caller));
  CallingProgram second(two.loop, two.a.mesh_address());
  second.write("x");
  REQUIRE(two.until([&] { return two.program.calls.size() == 2 && two.program.received() == "x"; }));
  second.stream->reset();
  REQUIRE(two.until([&] { return two.program.calls[1]->seen.failure.has_value(); }));
  EXPECT(two.program.calls[1]->stream->reset_by_peer());
  REQUIRE(two.until([&] { return two.b.closed("inbound", "RESET_BY_SOURCE") == 1; }));
  EXPECT_EQ(two.b.closed("inbound", "RESET_BY_DESTINATION"), 1);
}

TEST_CASE("what the destination's policy denies is reset at the caller, with the reason on both sides") {
  TwoHosts two;
  two.b.rules({intention("rule-2", "web", "db", IntentionAction::Deny)}, IntentionAction::Allow);
  two.b.publish();
  CallingProgram caller(two.loop, two.a.mesh_address());
  caller.write("let me in");
  EXPECT(two.is_reset(caller));
  EXPECT_EQ(two.a.closed("outbound", "DENIED_BY_INTENTION"), 1);
  REQUIRE(two.until([&] { return two.b.closed("inbound", "DENIED_BY_INTENTION") == 1; }));
  EXPECT(two.program.calls.empty());
  // A process that is no service calls as its node.
  two.a.proof.facts = CallerFacts{};
  two.b.rules({intention("rule-3", "node/host-31", "db", IntentionAction::Deny)}, IntentionAction::Allow);
  two.b.publish();
  CallingProgram node(two.loop, two.a.mesh_address());
  EXPECT(two.is_reset(node));
  REQUIRE(two.until([&] { return two.b.metric("meshd_proxy_closed_total", {"source=\"node/host-31\""}) == 1; }));
}

TEST_CASE("an open connection ends when the destination's policy changes") {
  TwoHosts two;
  CallingProgram caller(two.loop, two.a.mesh_address());
  caller.write("x");
  REQUIRE(two.until([&] { return two.program.received() == "x"; }));
  two.b.rules({}, IntentionAction::Deny);
  two.b.publish();
  EXPECT(two.is_reset(caller));
  EXPECT_EQ(two.b.closed("inbound", "NO_LONGER_ALLOWED"), 1);
}

TEST_CASE("a node that is removed loses its open connections at the other hosts and gets no new ones") {
  TwoHosts two;
  CallingProgram caller(two.loop, two.a.mesh_address());
  caller.write("x");
  REQUIRE(two.until([&] { return two.program.received() == "x"; }));
  two.b.next.removed = std::make_shared<const RemovedNodes>(RemovedNodes{"another"});
  two.b.publish();
  caller.write("y");
  REQUIRE(two.until([&] { return two.program.received() == "xy"; }));
  two.b.next.removed = std::make_shared<const RemovedNodes>(RemovedNodes{two.a.node_id});
  two.b.publish();
  EXPECT(two.is_reset(caller));
  EXPECT_EQ(two.b.closed("inbound", "PEER_NO_LONGER_TRUSTED"), 1);
  CallingProgram again(two.loop, two.a.mesh_address());
  again.write("z");
  EXPECT(two.is_reset(again));
  EXPECT_EQ(two.program.received(), "xy");
  EXPECT_EQ(two.b.closed("inbound", "PEER_NO_LONGER_TRUSTED"), 2);
}

TEST_CASE("an open connection ends when a called node is removed") {
  TwoHosts two;
  CallingProgram caller(two.loop, two.a.mesh_address());
  caller.write("x");
  REQUIRE(two.until([&] { return two.program.received() == "x"; }));
  two.a.next.removed = std::make_shared<const RemovedNodes>(RemovedNodes{two.b.node_id});
  two.a.publish();
  EXPECT(two.is_reset(caller));
  EXPECT_EQ(two.a.closed("outbound", "PEER_NO_LONGER_TRUSTED"), 1);
}

TEST_CASE("an open connection ends when its root is not believed any more, not when another one is added") {
  TwoHosts two;
  CallingProgram caller(two.loop, two.a.mesh_address());
  caller.write("x");
  REQUIRE(two.until([&] { return two.program.received() == "x"; }));
  TestAuthority next("next root");
  two.b.ids.trust = trust_in({two.authority.root_pem, next.root_pem});
  two.b.publish();
  caller.write("y");
  REQUIRE(two.until([&] { return two.program.received() == "xy"; }));
  two.b.ids.trust = trust_in({next.root_pem});
  two.b.publish();
  EXPECT(two.is_reset(caller));
  EXPECT_EQ(two.b.closed("inbound", "PEER_NO_LONGER_TRUSTED"), 1);
}

TEST_CASE("roots with one subject are told apart by their keys, and a root issued anew for its key is the same one") {
  const TestAuthority another(kRootB, kRootKeyB);
  TwoHosts two({}, TestAuthority(kRootA, kRootKeyA));
  CallingProgram caller(two.loop, two.a.mesh_address());
  caller.write("x");
  REQUIRE(two.until([&] { return two.program.received() == "x"; }));
  two.b.ids.trust = trust_in({kRootAgainA, another.root_pem});
  two.b.publish();
  caller.write("y");
  REQUIRE(two.until([&] { return two.program.received() == "xy"; }));
  two.b.ids.trust = trust_in({another.root_pem});
  two.b.publish();
  EXPECT(two.is_reset(caller));
  EXPECT_EQ(two.b.closed("inbound", "PEER_NO_LONGER_TRUSTED"), 1);
}

TEST_CASE("a service with one instance has the whole setup time for it, one with two goes on after the time of an attempt") {
  TwoHosts two({.attempt_time = milliseconds(100), .setup_time = seconds(1), .failure_memory = {}});
  Program frozen(two.loop, "127.0.0.34:0");  // accepts and says nothing
  MeshEndpoint stuck = two.b.endpoint("db-0");
  stuck.node_id = model::NodeId("stuck");
  stuck.mesh = frozen.where().address();
  two.a.endpoints_of("db", {stuck});
  two.a.publish();
  const MonoTime began = two.loop.now();
  CallingProgram alone(two.loop, two.a.mesh_address());
  EXPECT(two.is_reset(alone));
  EXPECT_GE(two.loop.now() - began, milliseconds(990));
  EXPECT_EQ(two.a.closed("outbound", "HOST_TIMEOUT"), 1);
  two.a.endpoints_of("db", {two.b.endpoint("db-1"), stuck});  // the second connection begins with the second one
  two.a.publish();
  CallingProgram caller(two.loop, two.a.mesh_address());
  caller.write("x");
  REQUIRE(two.until([&] { return two.program.received() == "x"; }));
  EXPECT_EQ(two.a.metric("meshd_proxy_attempt_failures_total", {"HOST_TIMEOUT"}), 2);
}

TEST_CASE("a handshake that gets no turn in time is OVERLOADED here: no other instance is tried and none is blamed") {
  TwoHosts two({.setup_time = milliseconds(100)}, TestAuthority(), {.threads = 1, .begun_max = 1, .sessions_max = 1});
  net::StreamPair silent(two.loop);
  net::TlsClientOptions options;
  options.trust = two.a.ids.trust;
  options.server_name = "nobody";
  const net::TlsHandshake occupied(two.pool, std::move(silent.a), std::move(options), [](const auto&) {});
  REQUIRE(two.until([&] { return two.pool.sessions() == 1; }));
  two.a.endpoints_of("db", {two.b.endpoint("db-1"), two.b.endpoint("db-2")});
  two.a.publish();
  CallingProgram caller(two.loop, two.a.mesh_address());
  EXPECT(two.is_reset(caller));
  EXPECT_EQ(two.a.closed("outbound", "OVERLOADED"), 1);
  EXPECT_EQ(two.a.metric("meshd_proxy_attempt_failures_total"), 0);
  EXPECT_EQ(two.pool.dropped_total(), 1u);
  EXPECT(two.a.conserved());
}

TEST_CASE("the next instance is tried when a host does not answer or a program refuses, and gets the first bytes too") {
  TwoHosts two;
  Program gone(two.loop, "127.0.0.33:0");
  const net::Endpoint nobody = gone.where();
  gone.listener.reset();
  MeshEndpoint dead_host = two.b.endpoint("db-1");
  dead_host.node_id = model::NodeId("dead");
  dead_host.mesh = nobody.address();
  two.b.run_instance("db-0", "db", nobody);
  two.a.endpoints_of("db", {dead_host, two.b.endpoint("db-0"), two.b.endpoint("db-1")});
  two.a.publish();
  two.b.publish();
  CallingProgram caller(two.loop, two.a.mesh_address());
  caller.write("the first bytes");
  REQUIRE(two.until([&] { return two.program.received() == "the first bytes"; }));
  EXPECT_EQ(two.a.metric("meshd_proxy_attempt_failures_total", {"HOST_UNREACHABLE"}), 1);
  EXPECT_EQ(two.a.metric("meshd_proxy_attempt_failures_total", {"CONNECT_REFUSED"}), 1);
  REQUIRE(two.until([&] { return two.b.closed("inbound", "CONNECT_REFUSED") == 1; }));
  caller.write(" and more");
  REQUIRE(two.until([&] { return two.program.received() == "the first bytes and more"; }));
  EXPECT_EQ(two.a.metric("meshd_proxy_sent_bytes_total"), 24);
}

TEST_CASE("when all instances fail the caller is reset with the last reason") {
  TwoHosts two;
  two.b.next.instances = std::make_shared<const LocalInstances>();
  two.b.publish();
  CallingProgram caller(two.loop, two.a.mesh_address());
  EXPECT(two.is_reset(caller));
  EXPECT_EQ(two.a.closed("outbound", "INSTANCE_UNKNOWN"), 1);
  two.a.ids.node = nullptr;
  two.a.ids.services.clear();
  two.a.publish();
  CallingProgram nobody(two.loop, two.a.mesh_address());
  EXPECT(two.is_reset(nobody));
  EXPECT_EQ(two.a.closed("outbound", "NO_IDENTITY"), 1);
}

TEST_CASE("a host that shows another service's certificate is not believed") {
  TwoHosts two;
  two.b.ids.services["db"] = two.authority.sign(
      model::SpiffeId{model::SpiffeId::Kind::Service, kTestDomain, kTestDc, "other"}.uri(), {db_name()});
  two.b.publish();
  CallingProgram caller(two.loop, two.a.mesh_address());
  caller.write("secret");
  EXPECT(two.is_reset(caller));
  EXPECT_EQ(two.a.closed("outbound", "PEER_UNTRUSTED"), 1);
  EXPECT_EQ(two.a.metric("meshd_proxy_handshake_failures_total", {"outbound", "PEER_UNTRUSTED"}), 1);
  EXPECT(two.program.calls.empty());
}

TEST_CASE("a caller without a good certificate of this domain gets nowhere") {
  TwoHosts two;
  TestAuthority stranger("stranger");
  const std::string other_domain = "5ad1e7c2-6a1c-4c0e-9a3e-0d6f0f1f8a02.mesh";
  const std::shared_ptr<const net::TlsIdentity> bad[] = {
      nullptr,
      stranger.service("web"),
      two.authority.sign(model::SpiffeId{model::SpiffeId::Kind::Service, other_domain, kTestDc, "web"}.uri(), {"web"}),
  };
  for (const auto& identity : bad) {
    ByHand peer(two, identity, db_name());
    REQUIRE(two.until([&] { return peer.failure || peer.seen.failure || peer.seen.ended; }));
  }
  ByHand no_such_service(two, two.authority.service("web"), model::service_sni("nothing", kTestDc, kTestDomain));
  EXPECT(no_such_service.failure.has_value());
  REQUIRE(two.until([&] { return two.b.metric("meshd_proxy_open_connections") == 0; }));
  EXPECT_EQ(two.b.metric("meshd_proxy_handshake_failures_total", {"inbound"}), 4);
  EXPECT(two.b.conserved());
  EXPECT(two.program.calls.empty());
}

TEST_CASE("a malformed preface is answered with PROTOCOL_ERROR and ends that connection alone") {
  TwoHosts two;
  CallingProgram good(two.loop, two.a.mesh_address());
  good.stream->write("x");
  REQUIRE(two.until([&] { return two.program.received() == "x"; }));
  for (const Bytes& bytes : {Bytes("GET / HTTP/1.1\r\n\r\n"), Bytes("\x01\xff\xff", 3), Bytes("\x01\x00\x02\x0a\x7f", 5)}) {
    ByHand peer(two, two.authority.service("web"), db_name());
    REQUIRE(peer.stream != nullptr);
    peer.stream->write(bytes);
    REQUIRE(two.until([&] { return peer.seen.ended; }));
    const auto status = peer.status();
    REQUIRE(status.ok());
    EXPECT(model::reason_code_of(status->reason) == model::ReasonCode::ProtocolError);
    peer.stream->shutdown_write();
  }
  REQUIRE(two.until([&] { return two.b.closed("inbound", "PROTOCOL_ERROR") == 3; }));
  good.stream->write("y");
  REQUIRE(two.until([&] { return two.program.received() == "xy"; }));
  EXPECT(two.b.conserved());
}

TEST_CASE("an instance of another service cannot be reached through this one's name") {
  TwoHosts two;
  two.b.run_instance("admin-1", "admin", two.program.where());
  two.b.allow_all();
  two.b.publish();
  for (const Preface& preface : {Preface{"admin-1", "main", {}, {}}, Preface{"db-1", "none", {}, {}}}) {
    ByHand peer(two, two.authority.service("web"), db_name());
    REQUIRE(peer.stream != nullptr);
    peer.stream->write(encode_preface(preface));
    REQUIRE(two.until([&] { return peer.seen.ended; }));
    const auto status = peer.status();
    REQUIRE(status.ok());
    const auto expected =
        preface.port == "none" ? model::ReasonCode::PortUnknown : model::ReasonCode::InstanceUnknown;
    EXPECT(model::reason_code_of(status->reason) == expected);
  }
  EXPECT(two.program.calls.empty());
}

TEST_CASE("who is silent is cut off: before the handshake, before the preface, after a refusal") {
  TwoHosts two({.handshake_time = milliseconds(50), .preface_time = milliseconds(50)});
  CallingProgram silent(two.loop, two.b.proxy->inbound_address());
  REQUIRE(two.until([&] { return silent.seen.ended || silent.seen.failure; }));
  ByHand peer(two, two.authority.service("web"), db_name());
  REQUIRE(two.until([&] { return peer.failure || peer.seen.failure || peer.seen.ended; }));
  REQUIRE(two.until([&] { return two.b.metric("meshd_proxy_open_connections") == 0; }));
  EXPECT(two.b.conserved());
}

TEST_CASE("more pending connections than the limit are reset, established ones go on") {
  TwoHosts two({.inbound_pending_max = 1});
  CallingProgram good(two.loop, two.a.mesh_address());
  good.stream->write("x");
  REQUIRE(two.until([&] { return two.program.received() == "x"; }));
  CallingProgram first(two.loop, two.b.proxy->inbound_address());
  net::settle(two.loop);
  CallingProgram second(two.loop, two.b.proxy->inbound_address());
  EXPECT(two.is_reset(second));
  EXPECT_EQ(two.b.closed("inbound", "OVERLOADED"), 1);
  first.stream->reset();
  REQUIRE(two.until([&] { return two.b.metric("meshd_proxy_open_connections", {"inbound"}) == 1; }));
  CallingProgram third(two.loop, two.a.mesh_address());
  third.stream->write("y");
  REQUIRE(two.until([&] { return two.program.received() == "xy"; }));
  EXPECT(two.b.conserved());
}

TEST_CASE("a caller that gives up while its instance is sought is let go") {
  TwoHosts two;
  CallingProgram caller(two.loop, two.a.mesh_address());
  caller.write("x");
  caller.stream->reset();
  REQUIRE(two.until([&] { return two.a.metric("meshd_proxy_open_connections", {"outbound"}) == 0 &&
                                 two.a.metric("meshd_proxy_accepted_total", {"outbound"}) == 1; }));
  REQUIRE(two.until([&] { return two.b.metric("meshd_proxy_open_connections", {"inbound"}) == 0; }));
  EXPECT(two.a.conserved());
  EXPECT(two.b.conserved());
}

}  // namespace mesh::proxy
