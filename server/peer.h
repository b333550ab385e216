// Who is at the other end of a TLS connection to a server: from the certificate that the handshake has verified to what
// handlers know (net::RpcPeer). Pure; any thread.
#pragma once

#include <string>

#include "base/result.h"
#include "net/rpc.h"
#include "net/tls/certificate.h"

namespace mesh::server {

struct ClusterName {
  std::string trust_domain;
  std::string datacenter;
};

// No certificate: a host that is joining. Errors: Denied (not exactly one SPIFFE id; another trust domain or datacenter; a
// service, which has no business with servers).
[[nodiscard]] Result<net::RpcPeer> peer_of(const ClusterName& cluster, const net::CertificateInfo* certificate);

}  // namespace mesh::server
