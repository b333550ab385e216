// mbedTLS's X.509 objects with owners, and how its verdicts read. For net/tls only; any thread, one at a time.
#pragma once

#include <mbedtls/x509_crt.h>

#include <cstdint>
#include <memory>
#include <string>

#include "base/bytes.h"
#include "base/result.h"
#include "base/time.h"
#include "net/mbedtls.h"
#include "net/tls/certificate.h"
#include "net/tls/identity.h"

namespace mesh::net {

// A list of certificates. mbedTLS takes non-const pointers to what it only reads.
class X509List {
 public:
  X509List() { mbedtls_x509_crt_init(&raw_); }
  ~X509List() { mbedtls_x509_crt_free(&raw_); }
  X509List(const X509List&) = delete;
  X509List& operator=(const X509List&) = delete;
  [[nodiscard]] mbedtls_x509_crt* get() const { return const_cast<mbedtls_x509_crt*>(&raw_); }

 private:
  mbedtls_x509_crt raw_;
};

struct TlsIdentity::Parts {
  X509List chain;
  std::unique_ptr<PkKey> key;
};

struct TrustBundle::Parts {
  X509List roots;
};

// ECDSA with SHA-256 on P-256, for every certificate of a chain.
extern const mbedtls_x509_crt_profile kCertificateProfile;

// Appends the certificates of a PEM text to `into`, which may hold some already.
Status parse_certificates(ByteView pem, X509List& into);
// All but the extensions that only TLS itself looks at.
[[nodiscard]] Result<CertificateInfo> describe_certificate(const mbedtls_x509_crt& certificate);
[[nodiscard]] bool same_key(const mbedtls_pk_context& a, const mbedtls_pk_context& b);
[[nodiscard]] Bytes key_hash_of_certificate(const mbedtls_x509_crt& certificate);

// What is wrong with a chain, by mbedTLS's flags (not 0), in words: "it has expired (not after ...)".
[[nodiscard]] std::string describe_verdict(std::uint32_t flags, const mbedtls_x509_crt& leaf);

// mbedTLS's flags for a chain (leaf first) that shall lead to one of `anchors` and be valid at `now`; 0: good.
[[nodiscard]] Result<std::uint32_t> check_chain(const mbedtls_x509_crt& chain, const X509List& anchors, WallTime now);

// Printable ASCII without spaces, and not empty: what a name in a certificate or a server name may be.
[[nodiscard]] bool is_name_text(ByteView text);

[[nodiscard]] WallTime to_wall_time(const mbedtls_x509_time& time);

}  // namespace mesh::net
