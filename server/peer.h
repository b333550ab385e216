// Who is at the other end of a TLS connection to a server: from the certificate that the handshake has verified to what
// handlers know (net::RpcPeer). Pure; any thread.
#pragma once

#include "base/result.h"
#include "model/spiffe.h"
#include "net/rpc.h"
#include "net/tls/certificate.h"

namespace mesh::server {

// No certificate: a host that is joining. Errors: model::identity_in's; Denied (a service, which has no business with
// servers).
[[nodiscard]] Result<net::RpcPeer> peer_of(const model::ClusterName& cluster, const net::CertificateInfo* certificate);

}  // namespace mesh::server
