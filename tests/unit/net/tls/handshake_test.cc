#include "net/tls/handshake.h"

#include "tests/unit/net/tls/tls_fixture.h"

namespace mesh::net {

namespace {

bool has(const std::optional<Error>& error, std::string_view text) {
  return error && error->message.find(text) != std::string::npos;
}

struct Peers {
  Authority authority;
  std::shared_ptr<const TlsIdentity> server = authority.identity(kServerUri, {kServerName});
  std::shared_ptr<const TlsIdentity> client = authority.identity(kClientUri);
};

std::string told(const TlsAttempt& attempt) {
  return "client: " + (attempt.a_failure ? attempt.a_failure->message : "fine") +
         "; server: " + (attempt.b_failure ? attempt.b_failure->message : "fine");
}

}  // namespace

TEST_CASE("two sides with certificates know each other and choose a protocol") {
  Loop loop("test");
  TlsServerOptions server;
  server.alpn = {"mesh-tcp/1", "h2"};
  TlsClientOptions client;
  client.alpn = {"h2", "mesh-tcp/1"};
  TlsPair pair(loop, std::move(server), std::move(client));
  REQUIRE(pair.a->peer() != nullptr);
  REQUIRE(pair.b->peer() != nullptr);
  EXPECT_EQ(pair.a->peer()->uris, std::vector<std::string>{kServerUri});
  EXPECT_EQ(pair.b->peer()->uris, std::vector<std::string>{kClientUri});
  EXPECT_EQ(pair.a->alpn(), "mesh-tcp/1");
  EXPECT_EQ(pair.b->alpn(), "mesh-tcp/1");
  EXPECT_EQ(pair.b->server_name(), kServerName);
  pair.a->resume_reading();
  pair.b->resume_reading();
  pair.a->write("question");
  pair.b->write("answer");
  REQUIRE(wait_for(loop, [&] { return !pair.at_a.received.empty() && !pair.at_b.received.empty(); }));
  EXPECT_EQ(pair.at_b.received, "question");
  EXPECT_EQ(pair.at_a.received, "answer");
  EXPECT(wait_for(loop, [&] { return pair.pool.sessions() == 0; }));
}

TEST_CASE("a certificate of another authority is refused and both sides say so") {
  Loop loop("test");
  HandshakePool pool;
  Peers peers;
  Authority other("other root");
  SUBCASE("the server's") {
    TlsAttempt attempt(loop, pool, client_options(peers.client, other.trust), server_options(peers.server, peers.authority.trust));
    REQUIRE(attempt.finish(loop));
    CAPTURE(told(attempt));
    EXPECT(has(attempt.a_failure, "our side refused the certificate of the server: its issuer is not trusted"));
    EXPECT(has(attempt.b_failure, "the client did not accept our certificate: unknown CA"));
    EXPECT_EQ(attempt.a_failure->code, Code::Unauthenticated);
    EXPECT_EQ(attempt.b_failure->code, Code::Unauthenticated);
  }
  SUBCASE("the client's") {
    TlsAttempt attempt(loop, pool, client_options(other.identity(kClientUri), peers.authority.trust),
                       server_options(peers.server, peers.authority.trust));
    REQUIRE(attempt.finish(loop));
    CAPTURE(told(attempt));
    EXPECT(has(attempt.a_failure, "the server did not accept our certificate: unknown CA"));
    EXPECT(has(attempt.b_failure, "our side refused the certificate of the client: its issuer is not trusted"));
  }
  SUBCASE("the client's, where none is needed") {
    TlsServerOptions server = server_options(peers.server, peers.authority.trust);
    server.client_certificate = ClientCertificate::Optional;
    TlsAttempt attempt(loop, pool, client_options(other.identity(kClientUri), peers.authority.trust), std::move(server));
    REQUIRE(attempt.finish(loop));
    CAPTURE(told(attempt));
    EXPECT(attempt.a_failure.has_value());
    EXPECT(has(attempt.b_failure, "our side refused the certificate of the client: its issuer is not trusted"));
  }
}

TEST_CASE("certificates that are over or not yet valid are refused") {
  Loop loop("test");
  HandshakePool pool;
  Peers peers;
  const Validity over{wall_now() - hours(2), wall_now() - hours(1)};
  const Validity later{wall_now() + hours(1), wall_now() + hours(2)};
  SUBCASE("the server's is over") {
    TlsAttempt attempt(loop, pool, client_options(peers.client, peers.authority.trust),
                       server_options(peers.authority.identity(kServerUri, {kServerName}, over), peers.authority.trust));
    REQUIRE(attempt.finish(loop));
    CAPTURE(told(attempt));
    EXPECT(has(attempt.a_failure, "has expired (not after"));
    EXPECT(has(attempt.b_failure, "certificate expired (alert 45)"));
  }
  SUBCASE("the client's is over") {
    TlsAttempt attempt(loop, pool, client_options(peers.authority.identity(kClientUri, {}, over), peers.authority.trust),
                       server_options(peers.server, peers.authority.trust));
    REQUIRE(attempt.finish(loop));
    CAPTURE(told(attempt));
    EXPECT(has(attempt.b_failure, "has expired (not after"));
    EXPECT(has(attempt.a_failure, "certificate expired (alert 45)"));
  }
  SUBCASE("the client's is not valid yet") {
    TlsAttempt attempt(loop, pool, client_options(peers.authority.identity(kClientUri, {}, later), peers.authority.trust),
                       server_options(peers.server, peers.authority.trust));
    REQUIRE(attempt.finish(loop));
    CAPTURE(told(attempt));
    EXPECT(has(attempt.b_failure, "is not valid yet"));
    EXPECT(attempt.a_failure.has_value());
  }
}

TEST_CASE("a client without a certificate is refused unless that is allowed") {
  Loop loop("test");
  HandshakePool pool;
  Peers peers;
  TlsServerOptions server = server_options(peers.server, peers.authority.trust);
  SUBCASE("refused") {
    TlsAttempt attempt(loop, pool, client_options(nullptr, peers.authority.trust), std::move(server));
    REQUIRE(attempt.finish(loop));
    CAPTURE(told(attempt));
    EXPECT(has(attempt.b_failure, "our side refused the client: it showed no certificate"));
    EXPECT(has(attempt.a_failure, "it may want a certificate: handshake failure (alert 40)"));
    EXPECT_EQ(attempt.b_failure->code, Code::Unauthenticated);
  }
  SUBCASE("allowed") {
    server.client_certificate = ClientCertificate::Optional;
    TlsAttempt attempt(loop, pool, client_options(nullptr, peers.authority.trust), std::move(server));
    REQUIRE(attempt.finish(loop));
    CAPTURE(told(attempt));
    REQUIRE(attempt.b != nullptr);
    EXPECT_EQ(attempt.b->peer(), nullptr);
  }
}

TEST_CASE("the server's name decides which certificate is shown") {
  Loop loop("test");
  HandshakePool pool;
  Peers peers;
  TlsClientOptions client = client_options(peers.client, peers.authority.trust);
  SUBCASE("a name that is not served") {
    client.server_name = "db.dc1.test.mesh";
    TlsAttempt attempt(loop, pool, std::move(client), server_options(peers.server, peers.authority.trust));
    REQUIRE(attempt.finish(loop));
    CAPTURE(told(attempt));
    EXPECT(has(attempt.a_failure, "the server does not serve the name that was asked for: unrecognized name (alert 112)"));
    EXPECT(has(attempt.b_failure, "it asks for 'db.dc1.test.mesh', which is not served here"));
    EXPECT_EQ(attempt.a_failure->code, Code::NotFound);
    EXPECT_EQ(attempt.b_failure->code, Code::NotFound);
  }
  SUBCASE("a certificate for another name") {
    TlsServerOptions server = server_options(nullptr, peers.authority.trust);
    server.select = [wrong = peers.authority.identity(kServerUri, {"db.dc1.test.mesh"})](std::string_view) { return wrong; };
    TlsAttempt attempt(loop, pool, std::move(client), std::move(server));
    REQUIRE(attempt.finish(loop));
    CAPTURE(told(attempt));
    EXPECT(has(attempt.a_failure, "it is for another name"));
    EXPECT(has(attempt.b_failure, "bad certificate (alert 42)"));
  }
  SUBCASE("one of two") {
    TlsServerOptions server = server_options(nullptr, peers.authority.trust);
    const auto db = peers.authority.identity("spiffe://test.mesh/db", {"db.dc1.test.mesh"});
    server.select = [web = peers.server, db](std::string_view name) { return name == kServerName ? web : db; };
    client.server_name = "db.dc1.test.mesh";
    TlsAttempt attempt(loop, pool, std::move(client), std::move(server));
    REQUIRE(attempt.finish(loop));
    CAPTURE(told(attempt));
    REQUIRE(attempt.a != nullptr);
    EXPECT_EQ(attempt.a->peer()->uris.at(0), "spiffe://test.mesh/db");
  }
}

TEST_CASE("what the caller's check refuses ends the handshake before it is done") {
  Loop loop("test");
  HandshakePool pool;
  Peers peers;
  TlsClientOptions client = client_options(peers.client, peers.authority.trust);
  TlsServerOptions server = server_options(peers.server, peers.authority.trust);
  const auto refuse = [](const CertificateInfo& peer) -> Status {
    return error(Code::Denied, "'{}' is not welcome", peer.uris.at(0));
  };
  SUBCASE("the client's check") {
    client.verify = refuse;
    TlsAttempt attempt(loop, pool, std::move(client), std::move(server));
    REQUIRE(attempt.finish(loop));
    CAPTURE(told(attempt));
    EXPECT(has(attempt.a_failure, "svc/web' is not welcome"));
    EXPECT(has(attempt.b_failure, "the client does not let us in: access denied (alert 49)"));
    EXPECT_EQ(attempt.a_failure->code, Code::Denied);
  }
  SUBCASE("the server's check") {
    server.verify = refuse;
    TlsAttempt attempt(loop, pool, std::move(client), std::move(server));
    REQUIRE(attempt.finish(loop));
    CAPTURE(told(attempt));
    EXPECT(has(attempt.b_failure, "svc/shop' is not welcome"));
    EXPECT(has(attempt.a_failure, "the server does not let us in: access denied (alert 49)"));
    EXPECT_EQ(attempt.a_failure->code, Code::Denied);
  }
}

TEST_CASE("sides without a common protocol part with a word") {
  Loop loop("test");
  HandshakePool pool;
  Peers peers;
  TlsClientOptions client = client_options(peers.client, peers.authority.trust);
  TlsServerOptions server = server_options(peers.server, peers.authority.trust);
  SUBCASE("different ones") {
    client.alpn = {"h2"};
    server.alpn = {"mesh-tcp/1"};
  }
  SUBCASE("none offered") { server.alpn = {"mesh-tcp/1"}; }
  SUBCASE("none chosen") { client.alpn = {"h2"}; }
  TlsAttempt attempt(loop, pool, std::move(client), std::move(server));
  REQUIRE(attempt.finish(loop));
  CAPTURE(told(attempt));
  REQUIRE(attempt.a_failure.has_value());
  REQUIRE(attempt.b_failure.has_value());
  EXPECT_EQ(attempt.a_failure->code, Code::Unsupported);
  EXPECT_EQ(attempt.b_failure->code, Code::Unsupported);
}

TEST_CASE("a client that knows only the hash of the root's key trusts that root alone") {
  Loop loop("test");
  HandshakePool pool;
  Peers peers;
  TlsServerOptions server = server_options(nullptr, peers.authority.trust);
  server.client_certificate = ClientCertificate::Optional;
  TlsClientOptions client = client_options(nullptr, nullptr);
  client.pinned_root_key_hash = peers.authority.signer->root().key_hash;
  bool with_root = true;
  Validity validity = valid_now();
  std::string refusal;
  SUBCASE("the right one") {}
  SUBCASE("another") {
    client.pinned_root_key_hash = Authority("other root").signer->root().key_hash;
    refusal = "its issuer is not trusted";
  }
  SUBCASE("the leaf's own key is no root") {
    client.pinned_root_key_hash = peers.server->leaf().key_hash;
    refusal = "its issuer is not trusted";
  }
  SUBCASE("the server does not send it") {
    with_root = false;
    refusal = "its issuer is not trusted";
  }
  SUBCASE("a leaf that is over") {
    validity = {wall_now() - hours(2), wall_now() - hours(1)};
    refusal = "has expired";
  }
  SUBCASE("another name") {
    client.server_name = "db.dc1.test.mesh";
    refusal = "it is for another name";
  }
  server.select = [shown = peers.authority.identity(kServerUri, {kServerName}, validity, with_root)](std::string_view) {
    return shown;
  };
  TlsAttempt attempt(loop, pool, std::move(client), std::move(server));
  REQUIRE(attempt.finish(loop));
  CAPTURE(told(attempt));
  CAPTURE(refusal);
  EXPECT_EQ(attempt.a != nullptr, refusal.empty());
  if (!refusal.empty()) EXPECT(has(attempt.a_failure, refusal));
}

TEST_CASE("a peer that says nothing or nonsense costs one connection and a deadline") {
  Loop loop("test");
  HandshakePool pool;
  Peers peers;
  StreamPair pair(loop);
  TlsServerOptions options = server_options(peers.server, peers.authority.trust);
  std::optional<Error> failure;
  std::string expected;
  SUBCASE("silence") {
    options.deadline = loop.now() + milliseconds(20);
    expected = "not done by its deadline";
  }
  SUBCASE("a web browser without TLS") {
    pair.a->write("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    expected = "our side refused the client";
  }
  SUBCASE("a peer that leaves") {
    pair.a->shutdown_write();
    expected = "closed the connection during the handshake";
  }
  TlsHandshake handshake(pool, std::move(pair.b), std::move(options), [&](auto result) { failure = result.error(); });
  EXPECT_EQ(pool.sessions(), 0u);
  pair.a->resume_reading();
  REQUIRE(wait_for(loop, [&] { return failure.has_value(); }));
  CAPTURE(failure->message);
  EXPECT(has(failure, expected));
  EXPECT(has(failure, "while shaking hands with 127.0.0.1:"));
}

TEST_CASE("many handshakes at a time share certificates and roots") {
  Loop loop("test");
  HandshakePool pool({.threads = 4});
  Peers peers;
  std::vector<std::unique_ptr<TlsAttempt>> attempts;
  for (int n = 0; n < 12; ++n)
    attempts.push_back(std::make_unique<TlsAttempt>(loop, pool, client_options(peers.client, peers.authority.trust),
                                                    server_options(peers.server, peers.authority.trust)));
  for (auto& attempt : attempts) {
    REQUIRE(attempt->finish(loop));
    CAPTURE(told(*attempt));
    EXPECT((attempt->a != nullptr && attempt->b != nullptr));
  }
}

TEST_CASE("a handshake waits for room without cost until its deadline, and room comes back") {
  Loop loop("test");
  HandshakePool pool({.threads = 1, .begun_max = 1, .sessions_max = 1});
  Peers peers;
  StreamPair silent(loop);
  std::optional<Error> first;
  {
    // A client whose server never answers.
    TlsHandshake waiting(pool, std::move(silent.a), client_options(peers.client, peers.authority.trust),
                         [&](auto result) { first = result.error(); });
    settle(loop);
    EXPECT_EQ(pool.sessions(), 1u);
    TlsClientOptions brief = client_options(peers.client, peers.authority.trust);
    brief.deadline = loop.now() + milliseconds(30);
    TlsAttempt late(loop, pool, std::move(brief), server_options(peers.server, peers.authority.trust));
    REQUIRE(late.finish(loop));
    CAPTURE(told(late));
    EXPECT_EQ(late.a_failure->code, Code::Overloaded);
    EXPECT_FALSE(late.client_side->begun());
    EXPECT_EQ(late.b_failure->code, Code::Unavailable);  // the client has closed without a word
    EXPECT_EQ(pool.dropped_total(), 1u);
    EXPECT_EQ(pool.sessions(), 1u);
  }
  REQUIRE(wait_for(loop, [&] { return pool.sessions() == 0; }));
  EXPECT_FALSE(first.has_value());  // destroyed, so silent
}

TEST_CASE("a server that has no turn to give says so by an alert") {
  Loop loop("test");
  HandshakePool clients({.threads = 1});
  HandshakePool servers({.threads = 1, .begun_max = 1, .sessions_max = 1, .waiting_max = 1});
  Peers peers;
  const auto attempt = [&] {
    return std::make_unique<TlsAttempt>(loop, clients, servers, client_options(peers.client, peers.authority.trust),
                                        server_options(peers.server, peers.authority.trust));
  };
  StreamPair begun(loop);
  TlsHandshake silent(servers, std::move(begun.b), server_options(peers.server, peers.authority.trust), [](auto) {});
  begun.a->write(Bytes("\x16\x03\x01\x00\x40", 5));  // the head of a client's first record
  REQUIRE(wait_for(loop, [&] { return servers.sessions() == 1; }));
  const auto oldest = attempt();
  REQUIRE(wait_for(loop, [&] { return servers.waiting() == 1; }));
  const auto newest = attempt();
  REQUIRE(oldest->finish(loop));
  CAPTURE(told(*oldest));
  EXPECT_EQ(oldest->a_failure->code, Code::Overloaded);
  EXPECT(oldest->client_side->begun());  // so the client can tell that it is the server
  EXPECT_EQ(oldest->b_failure->code, Code::Overloaded);
  EXPECT_EQ(servers.refused_total(), 1u);
  begun.a->reset();
  REQUIRE(newest->finish(loop));
  EXPECT((newest->a != nullptr && newest->b != nullptr));
}

TEST_CASE("a server that waits for its turn sees its client give up") {
  Loop loop("test");
  HandshakePool clients({.threads = 1});
  HandshakePool servers({.threads = 1, .begun_max = 1, .sessions_max = 1});
  Peers peers;
  StreamPair begun(loop);
  TlsHandshake silent(servers, std::move(begun.b), server_options(peers.server, peers.authority.trust), [](auto) {});
  begun.a->write(Bytes("\x16\x03\x01\x00\x40", 5));
  REQUIRE(wait_for(loop, [&] { return servers.sessions() == 1; }));
  TlsAttempt attempt(loop, clients, servers, client_options(peers.client, peers.authority.trust),
                     server_options(peers.server, peers.authority.trust));
  REQUIRE(wait_for(loop, [&] { return servers.waiting() == 1; }));
  attempt.client_side.reset();
  REQUIRE(wait_for(loop, [&] { return servers.waiting() == 0; }));
  EXPECT_EQ(attempt.b_failure->code, Code::Unavailable);
}

TEST_CASE("handshakes of a pool that ends are told so") {
  Loop loop("test");
  auto pool = std::make_unique<HandshakePool>();
  Peers peers;
  StreamPair pair(loop);
  std::optional<Error> failure;
  TlsHandshake handshake(*pool, std::move(pair.b), server_options(peers.server, peers.authority.trust),
                         [&](auto result) { failure = result.error(); });
  pool.reset();
  pair.a->write("anything");
  REQUIRE(wait_for(loop, [&] { return failure.has_value(); }));
  CAPTURE(failure->message);
  EXPECT_EQ(failure->code, Code::Cancelled);
}

}  // namespace mesh::net
