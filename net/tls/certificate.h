// X.509 certificates: read, requested, signed. What a SPIFFE id must look like is the caller's business (model/spiffe.h);
// here a URI is text.
//
// Thread: any; values and pure functions. Signing costs 1-2 ms, checking a signature 3 ms of CPU: not for a data loop.
// Keys are P-256, signatures ECDSA with SHA-256; anything else is refused (Unsupported).
// Errors: Invalid (not what it should be, with the reason), Unsupported.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "base/time.h"

namespace mesh::net {

inline constexpr std::size_t kCertificatePemBytesMax = 64 * 1024;  // a chain, or a list of roots
inline constexpr std::size_t kCertificateChainMax = 8;             // certificates in one chain or list
inline constexpr std::size_t kCertificateNamesMax = 64;            // alternative names of one certificate
inline constexpr std::size_t kCertificateNameBytesMax = 2048;      // one of them
inline constexpr std::size_t kSerialBytesMax = 20;                 // RFC 5280, 4.1.2.2

struct CertificateInfo {
  std::vector<std::string> uris;       // of the subject alternative name, printable ASCII
  std::vector<std::string> dns_names;  // likewise
  std::string serial;                  // lower-case hexadecimal, without leading zeros
  WallTime not_before{};
  WallTime not_after{};  // the last second in which it is valid
  Bytes key_hash;        // SHA-256 of the public key (SubjectPublicKeyInfo), 32 bytes: the name of the key
  std::string subject;   // the distinguished name, cut to printable ASCII: for people
  std::string issuer;    // likewise
  bool authority = false;  // may sign certificates

  friend bool operator==(const CertificateInfo&, const CertificateInfo&) = default;
};

[[nodiscard]] Result<CertificateInfo> read_certificate(ByteView der);
// One or more certificates in PEM, in order; at most kCertificateChainMax.
[[nodiscard]] Result<std::vector<CertificateInfo>> read_certificates(ByteView pem);

// A request (PKCS #10, DER) for the public half of a key; it carries no names: the signer decides what a key may be.
[[nodiscard]] Result<Bytes> make_csr(ByteView key_pem);

struct CsrInfo {
  Bytes public_key;  // SubjectPublicKeyInfo in DER
  Bytes key_hash;    // its SHA-256
};
// Checks the request's own signature: whoever made it holds the key.
[[nodiscard]] Result<CsrInfo> read_csr(ByteView der);

struct Validity {
  WallTime not_before{};  // the caller backdates
  WallTime not_after{};
};

struct RootSpec {
  std::string common_name;   // [A-Za-z0-9 .-], 1 to 40; the first digits of the key's hash are added
  std::string trust_domain;  // the root's URI is spiffe://<trust domain>
  Validity validity;
};

struct LeafSpec {
  Bytes public_key;  // CsrInfo::public_key
  std::string uri;   // printable ASCII; may be empty
  std::vector<std::string> dns_names;
  Bytes serial;  // 1 to kSerialBytesMax bytes, big-endian, top bit clear, not zero; unique for the root
  Validity validity;
};

// A certificate authority: a root and its key. Immutable; any thread.
class Signer {
 public:
  struct Root {
    Bytes certificate_pem;
    Bytes key_pem;
  };
  // A new key and its self-signed certificate.
  static Result<Root> make_root(const RootSpec& spec);
  // Precondition if the key is not that of the certificate, or the certificate may not sign others.
  static Result<Signer> from_pem(ByteView certificate_pem, ByteView key_pem);
  Signer(Signer&&) noexcept;
  Signer& operator=(Signer&&) noexcept;
  ~Signer();  // wipes the key

  // A leaf for TLS, client and server; PEM. The chain to show is this text followed by intermediates, if there are any.
  [[nodiscard]] Result<Bytes> sign_leaf(const LeafSpec& spec) const;
  [[nodiscard]] const CertificateInfo& root() const;

 private:
  struct Parts;
  explicit Signer(std::unique_ptr<Parts> parts);
  std::unique_ptr<Parts> parts_;
};

}  // namespace mesh::net
