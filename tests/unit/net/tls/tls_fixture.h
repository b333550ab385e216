// What the tests of net/tls share: an authority, identities, and two TlsStreams that shook hands over loopback.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "net/crypto.h"
#include "net/tls/certificate.h"
#include "net/tls/handshake.h"
#include "net/tls/identity.h"
#include "tests/unit/net/net_fixture.h"

namespace mesh::net {

inline constexpr const char* kServerName = "web.dc1.test.mesh";
inline constexpr const char* kServerUri = "spiffe://test.mesh/ns/default/dc/dc1/svc/web";
inline constexpr const char* kClientUri = "spiffe://test.mesh/ns/default/dc/dc1/svc/shop";

// Certificates are judged by the wall clock, so these are valid around any time at which a test may run.
inline Validity valid_now() { return {wall_now() - hours(1), wall_now() + hours(24)}; }

struct Authority {
  explicit Authority(const std::string& name = "test root") {
    auto made = Signer::make_root({.common_name = name, .trust_domain = "test.mesh", .validity = valid_now()});
    REQUIRE(made.ok());
    root = *made;
    auto loaded = Signer::from_pem(root.certificate_pem, root.key_pem);
    REQUIRE(loaded.ok());
    signer = std::make_unique<Signer>(std::move(*loaded));
    trust = *TrustBundle::from_pem({root.certificate_pem});
  }

  // PEM of a leaf for this key.
  [[nodiscard]] Bytes sign(ByteView key_pem, const std::string& uri, const std::vector<std::string>& names,
                           const Validity& validity) const {
    auto csr = make_csr(key_pem);
    REQUIRE(csr.ok());
    auto read = read_csr(*csr);
    REQUIRE(read.ok());
    auto leaf = signer->sign_leaf({.public_key = read->public_key,
                                   .uri = uri,
                                   .dns_names = names,
                                   .serial = Bytes("\x01\x02\x03\x04", 4),
                                   .validity = validity});
    INFO(std::string(leaf.ok() ? "" : leaf.error().message));
    REQUIRE(leaf.ok());
    return *leaf;
  }

  [[nodiscard]] std::shared_ptr<const TlsIdentity> identity(const std::string& uri, const std::vector<std::string>& names = {},
                                                            std::optional<Validity> validity = std::nullopt,
                                                            bool with_root = false) const {
    const Bytes key = make_key_pem();
    Bytes chain = sign(key, uri, names, validity.value_or(valid_now()));
    if (with_root) chain += root.certificate_pem;
    auto made = TlsIdentity::from_pem(chain, key);
    REQUIRE(made.ok());
    return *made;
  }

  Signer::Root root;
  std::unique_ptr<Signer> signer;
  std::shared_ptr<const TrustBundle> trust;
};

inline TlsServerOptions server_options(std::shared_ptr<const TlsIdentity> identity, std::shared_ptr<const TrustBundle> trust) {
  TlsServerOptions options;
  options.select = [identity](std::string_view name) { return name == kServerName ? identity : nullptr; };
  options.trust = std::move(trust);
  return options;
}

inline TlsClientOptions client_options(std::shared_ptr<const TlsIdentity> identity, std::shared_ptr<const TrustBundle> trust) {
  TlsClientOptions options;
  options.identity = std::move(identity);
  options.trust = std::move(trust);
  options.server_name = kServerName;
  return options;
}

// Both ends of one attempt, over a loopback connection.
struct TlsAttempt {
  TlsAttempt(Loop& loop, HandshakePool& pool, TlsClientOptions client, TlsServerOptions server)
      : TlsAttempt(loop, pool, pool, std::move(client), std::move(server)) {}
  TlsAttempt(Loop& loop, HandshakePool& client_pool, HandshakePool& server_pool, TlsClientOptions client, TlsServerOptions server)
      : pair(loop) {
    server_side = std::make_unique<TlsHandshake>(server_pool, std::move(pair.b), std::move(server),
                                                 [this](auto result) { take(std::move(result), b, b_failure); });
    client_side = std::make_unique<TlsHandshake>(client_pool, std::move(pair.a), std::move(client),
                                                 [this](auto result) { take(std::move(result), a, a_failure); });
  }
  bool finish(Loop& loop) {
    return wait_for(loop, [this] { return (a || a_failure) && (b || b_failure); });
  }
  void take(Result<std::unique_ptr<TlsStream>> result, std::unique_ptr<TlsStream>& stream, std::optional<Error>& failure) {
    if (!result.ok()) {
      failure = result.error();
      return;
    }
    stream = std::move(*result);
  }

  StreamPair pair;
  std::unique_ptr<TlsHandshake> server_side, client_side;
  RecordingObserver at_a, at_b;
  std::unique_ptr<TlsStream> a, b;  // client, server
  std::optional<Error> a_failure, b_failure;
};

// Two connected streams: a is the client's, b the server's.
struct TlsPair {
  explicit TlsPair(Loop& loop, TlsServerOptions server = {}, TlsClientOptions client = {}) {
    const auto identity = authority.identity(kServerUri, {kServerName});
    if (!server.select) server.select = [identity](std::string_view) { return identity; };
    if (!server.trust) server.trust = authority.trust;
    if (!client.identity) client.identity = authority.identity(kClientUri);
    if (!client.trust) client.trust = authority.trust;
    if (client.server_name.empty()) client.server_name = kServerName;
    attempt = std::make_unique<TlsAttempt>(loop, pool, std::move(client), std::move(server));
    REQUIRE(attempt->finish(loop));
    INFO(std::string(attempt->a_failure ? attempt->a_failure->message : ""),
         std::string(attempt->b_failure ? attempt->b_failure->message : ""));
    REQUIRE((attempt->a != nullptr && attempt->b != nullptr));
    a = std::move(attempt->a);
    b = std::move(attempt->b);
    a->set_observer(&at_a);
    b->set_observer(&at_b);
  }

  Authority authority;
  HandshakePool pool;
  RecordingObserver at_a, at_b;
  std::unique_ptr<TlsAttempt> attempt;
  std::unique_ptr<TlsStream> a, b;
};

}  // namespace mesh::net
