// Who we are and whom we believe, as immutable values for TLS connections. Shared by all threads; a new certificate or
// root is a new value, and connections keep the one they were made with.
//
// Errors: as certificate.h; Precondition if a key does not belong to a certificate.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "base/time.h"
#include "net/tls/certificate.h"

namespace mesh::net {

// A certificate with its key.
class TlsIdentity {
 public:
  // chain_pem: leaf first, then what leads towards the root. The root itself is needed only by peers that know no more
  // of it than its key's hash (Join): a server that serves those appends it.
  static Result<std::shared_ptr<const TlsIdentity>> from_pem(ByteView chain_pem, ByteView key_pem);
  ~TlsIdentity();  // wipes the key
  TlsIdentity(const TlsIdentity&) = delete;
  TlsIdentity& operator=(const TlsIdentity&) = delete;

  [[nodiscard]] const CertificateInfo& leaf() const { return leaf_; }

  struct Parts;  // for net/tls: tls_objects.h
  [[nodiscard]] const Parts& parts() const { return *parts_; }

 private:
  explicit TlsIdentity(std::unique_ptr<Parts> parts);
  std::unique_ptr<Parts> parts_;
  CertificateInfo leaf_;
};

// The roots that are believed. Several at a time while a root is replaced.
class TrustBundle {
 public:
  // Each text holds one certificate or more; at least one in all, kCertificateChainMax at most.
  static Result<std::shared_ptr<const TrustBundle>> from_pem(const std::vector<std::string>& pems);
  ~TrustBundle();
  TrustBundle(const TrustBundle&) = delete;
  TrustBundle& operator=(const TrustBundle&) = delete;

  [[nodiscard]] const std::vector<CertificateInfo>& roots() const { return roots_; }

  // The leaf of a chain that leads to one of the roots, all of it valid at `now`. Unauthenticated, with what is wrong
  // (untrusted issuer, expired, not yet valid), otherwise. Costs 3 ms of CPU a link.
  [[nodiscard]] Result<CertificateInfo> verify(ByteView chain_pem, WallTime now) const;

  struct Parts;  // for net/tls: tls_objects.h
  [[nodiscard]] const Parts& parts() const { return *parts_; }

 private:
  explicit TrustBundle(std::unique_ptr<Parts> parts);
  std::unique_ptr<Parts> parts_;
  std::vector<CertificateInfo> roots_;
};

}  // namespace mesh::net
