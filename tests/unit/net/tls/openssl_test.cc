// TLS against OpenSSL's own client and server.
#include "tests/unit/net/tls/openssl_process.h"
#include "tests/unit/net/tls/tls_fixture.h"

namespace mesh::net {

namespace {

struct Setup {
  explicit Setup() {
    server_chain = files.put("server.pem", authority.sign(server_key, kServerUri, {kServerName}, valid_now()));
    client_chain = files.put("client.pem", authority.sign(client_key, kClientUri, {}, valid_now()));
    server_key_path = files.put("server.key", server_key);
    client_key_path = files.put("client.key", client_key);
    root = files.put("root.pem", authority.root.certificate_pem);
  }
  [[nodiscard]] std::shared_ptr<const TlsIdentity> client() const {
    return *TlsIdentity::from_pem(*read_file(client_chain, ByteCount(kCertificatePemBytesMax)), client_key);
  }
  [[nodiscard]] std::shared_ptr<const TlsIdentity> server() const {
    return *TlsIdentity::from_pem(*read_file(server_chain, ByteCount(kCertificatePemBytesMax)), server_key);
  }

  Authority authority;
  OpensslFiles files;
  Bytes server_key = make_key_pem();
  Bytes client_key = make_key_pem();
  std::string server_chain, client_chain, server_key_path, client_key_path, root;
};

// Our server for one connection of openssl's.
struct OurServer {
  OurServer(Loop& loop, TlsServerOptions server) : options(std::move(server)) {
    auto made = StreamListener::listen(loop, any_loopback_port(), {}, [this](std::unique_ptr<Stream> accepted) {
      handshake = std::make_unique<TlsHandshake>(pool, std::move(accepted), std::move(options), [this](auto result) {
        if (!result.ok()) {
          failure = result.error();
          return;
        }
        stream = std::move(*result);
        stream->set_observer(&at);
        stream->resume_reading();
      });
    });
    REQUIRE(made.ok());
    listener = std::move(*made);
    where = listener->local().to_string();
  }
  HandshakePool pool;
  TlsServerOptions options;
  RecordingObserver at;
  std::unique_ptr<StreamListener> listener;
  std::unique_ptr<TlsHandshake> handshake;
  std::unique_ptr<TlsStream> stream;
  std::optional<Error> failure;
  std::string where;
};

}  // namespace

TEST_CASE("openssl s_client talks to our server, with its certificate") {
  Loop loop("test");
  Setup setup;
  TlsServerOptions options = server_options(setup.server(), setup.authority.trust);
  options.alpn = {"h2"};
  OurServer ours(loop, std::move(options));
  OpensslProcess theirs(loop, {"s_client", "-connect", ours.where, "-servername", kServerName, "-CAfile", setup.root,
                               "-verify_return_error", "-verify_hostname", kServerName, "-cert", setup.client_chain, "-key",
                               setup.client_key_path, "-alpn", "h2", "-quiet"});
  REQUIRE(wait_for(loop, [&] { return ours.stream != nullptr || ours.failure.has_value(); }));
  INFO(std::string(ours.failure ? ours.failure->message : ""));
  CAPTURE(theirs.at.received);
  REQUIRE(ours.stream != nullptr);
  EXPECT_EQ(ours.stream->peer()->uris.at(0), kClientUri);
  EXPECT_EQ(ours.stream->alpn(), "h2");
  theirs.stream->write("question of openssl\n");
  REQUIRE(wait_for(loop, [&] { return ours.at.received == "question of openssl\n"; }));
  const Bytes answer(100'000, 'y');
  ours.stream->write(answer);
  ours.stream->shutdown_write();
  REQUIRE(wait_for(loop, [&] { return theirs.at.received.find(answer) != Bytes::npos; }));
  // It answers our close_notify with its own.
  REQUIRE(wait_for(loop, [&] { return ours.at.ended; }));
  EXPECT_FALSE(ours.at.failure.has_value());
}

TEST_CASE("openssl s_client is refused with the right alert") {
  Loop loop("test");
  Setup setup;
  OurServer ours(loop, server_options(setup.server(), setup.authority.trust));
  std::vector<std::string> arguments{"s_client", "-connect", ours.where, "-CAfile", setup.root};
  std::string alert;
  SUBCASE("no certificate") {
    arguments.insert(arguments.end(), {"-servername", kServerName});
    alert = "SSL alert number 40";
  }
  SUBCASE("no server name") {
    arguments.insert(arguments.end(), {"-noservername", "-cert", setup.client_chain, "-key", setup.client_key_path});
    alert = "SSL alert number 40";
  }
  SUBCASE("another name") {
    arguments.insert(arguments.end(), {"-servername", "no.such", "-cert", setup.client_chain, "-key", setup.client_key_path});
    alert = "SSL alert number 112";
  }
  SUBCASE("TLS 1.3 only") {
    arguments.insert(arguments.end(), {"-servername", kServerName, "-tls1_3"});
    alert = "SSL alert number 40";  // its hello says 1.2, its suites are those of 1.3
  }
  SUBCASE("another suite") {
    arguments.insert(arguments.end(), {"-servername", kServerName, "-tls1_2", "-cipher", "ECDHE-ECDSA-CHACHA20-POLY1305"});
    alert = "SSL alert number 40";
  }
  OpensslProcess theirs(loop, arguments);
  REQUIRE(wait_for(loop, [&] { return ours.failure.has_value() || ours.stream != nullptr; }));
  REQUIRE(ours.failure.has_value());
  CAPTURE(ours.failure->message);
  EXPECT_NE(ours.failure->message.find("our side refused the client"), std::string::npos);
  theirs.finish(loop);
  CAPTURE(theirs.at.received);
  EXPECT(theirs.said(alert));
}

TEST_CASE("renegotiation asked for by openssl ends the connection") {
  Loop loop("test");
  Setup setup;
  OurServer ours(loop, server_options(setup.server(), setup.authority.trust));
  OpensslProcess theirs(loop, {"s_client", "-connect", ours.where, "-servername", kServerName, "-CAfile", setup.root, "-cert",
                               setup.client_chain, "-key", setup.client_key_path, "-tls1_2"});
  REQUIRE(wait_for(loop, [&] { return ours.stream != nullptr && theirs.said("Verify return code"); }));
  theirs.stream->write("R\n");
  REQUIRE(wait_for(loop, [&] { return ours.at.failure.has_value(); }));
  CAPTURE(ours.at.failure->message);
  EXPECT_NE(ours.at.failure->message.find("renegotiation"), std::string::npos);
}

TEST_CASE("our client talks to openssl s_server, and believes only what it should") {
  Loop loop("test");
  Setup setup;
  Authority other("other root");
  OpensslProcess theirs(loop, {"s_server", "-accept", "127.0.0.1:0", "-naccept", "1", "-rev", "-cert", setup.server_chain,
                               "-key", setup.server_key_path, "-CAfile", setup.root, "-Verify", "2", "-verify_return_error",
                               "-alpn", "h2"});
  REQUIRE(wait_for(loop, [&] { return theirs.said("ACCEPT 127.0.0.1:") && theirs.at.received.back() == '\n'; }));
  const std::size_t place = theirs.at.received.find("127.0.0.1:");
  const auto where = Endpoint::parse(theirs.at.received.substr(place, theirs.at.received.find('\n', place) - place));
  REQUIRE(where.ok());

  bool believed = true;
  SUBCASE("the right root") {}
  SUBCASE("another root") { believed = false; }
  TlsClientOptions options = client_options(setup.client(), believed ? setup.authority.trust : other.trust);
  options.alpn = {"h2"};
  HandshakePool pool;
  RecordingObserver at;
  std::unique_ptr<TlsHandshake> handshake;
  std::unique_ptr<TlsStream> stream;
  std::optional<Error> failure;
  StreamConnect connect(loop, *where, {.deadline = loop.now() + kTestPatience}, [&](auto connected) {
    REQUIRE(connected.ok());
    handshake = std::make_unique<TlsHandshake>(pool, std::move(*connected), std::move(options), [&](auto result) {
      if (result.ok()) stream = std::move(*result);
      else failure = result.error();
    });
  });
  REQUIRE(wait_for(loop, [&] { return stream != nullptr || failure.has_value(); }));
  INFO(std::string(failure ? failure->message : ""));
  CAPTURE(theirs.at.received);
  REQUIRE(believed == (stream != nullptr));
  if (!believed) {
    REQUIRE(wait_for(loop, [&] { return theirs.said("alert unknown ca"); }));
    return;
  }
  EXPECT_EQ(stream->alpn(), "h2");
  EXPECT_EQ(stream->peer()->uris.at(0), kServerUri);
  stream->set_observer(&at);
  stream->resume_reading();
  stream->write("abcdef\n");
  REQUIRE(wait_for(loop, [&] { return at.received == "fedcba\n"; }));
  stream->shutdown_write();
  REQUIRE(wait_for(loop, [&] { return at.ended || at.failure; }));
  EXPECT_FALSE(at.failure.has_value());
}

}  // namespace mesh::net
