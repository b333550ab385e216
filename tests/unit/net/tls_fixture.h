// Certificates for the tests that go over TLS: a root, and identities that it has signed.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "net/crypto.h"
#include "net/tls/certificate.h"
#include "net/tls/identity.h"
#include "tests/test.h"

namespace mesh::net {

class TestAuthority {
 public:
  explicit TestAuthority(const std::string& trust_domain = "test.mesh") {
    const WallTime now = wall_now();
    auto root = Signer::make_root({.common_name = "test root",
                                   .trust_domain = trust_domain,
                                   .validity = {now - minutes(10), now + hours(24)}});
    REQUIRE(root.ok());
    auto made = Signer::from_pem(root->certificate_pem, root->key_pem);
    REQUIRE(made.ok());
    signer_ = std::make_unique<Signer>(std::move(*made));
    auto bundle = TrustBundle::from_pem({root->certificate_pem});
    REQUIRE(bundle.ok());
    trust_ = *bundle;
  }

  [[nodiscard]] std::shared_ptr<const TlsIdentity> issue(const std::string& uri, std::vector<std::string> dns_names = {}) const {
    const Bytes key = make_key_pem();
    const auto request = make_csr(key);
    REQUIRE(request.ok());
    const auto csr = read_csr(*request);
    INFO((csr.ok() ? std::string() : csr.error().message));
    REQUIRE(csr.ok());
    const WallTime now = wall_now();
    const auto leaf = signer_->sign_leaf({.public_key = csr->public_key,
                                          .uri = uri,
                                          .dns_names = std::move(dns_names),
                                          .serial = Bytes("\x11\x22", 2),
                                          .validity = {now - minutes(10), now + hours(1)}});
    REQUIRE(leaf.ok());
    auto identity = TlsIdentity::from_pem(*leaf, key);
    REQUIRE(identity.ok());
    return *identity;
  }
  [[nodiscard]] const std::shared_ptr<const TrustBundle>& trust() const { return trust_; }

 private:
  std::unique_ptr<Signer> signer_;
  std::shared_ptr<const TrustBundle> trust_;
};

}  // namespace mesh::net
