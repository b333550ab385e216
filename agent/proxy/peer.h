// What the certificate of another agent must say, and what it then proves. Pure; any thread (the handshake pool's too).
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "agent/proxy/snapshot.h"
#include "base/result.h"
#include "model/spiffe.h"

namespace mesh::net {
struct CertificateInfo;
}

namespace mesh::proxy {

// The certificate with these URIs may call in this cluster: a service, or a node (an agent's or a
// server's, which is its host's agent as well). Errors: Unauthenticated.
[[nodiscard]] Status check_caller(std::span<const std::string> uris, const model::ClusterName& cluster);
// The certificate belongs to the service that is called. Errors: Unauthenticated.
[[nodiscard]] Status check_called(std::span<const std::string> uris, const model::ClusterName& cluster, const std::string& service);

// Who calls, as model/authorize.h names sources: "web", "node/host-a". A node that the catalog does not know (yet)
// is named by its node id, so only rules for every source or the default can match. Errors: as check_caller.
[[nodiscard]] Result<std::string> source_of(std::span<const std::string> uris, const ProxySnapshot& snapshot);

// The service that a server name asks for. Errors: Invalid (not of that form), NotFound (another domain or datacenter).
[[nodiscard]] Result<std::string> service_of(std::string_view server_name, const model::ClusterName& cluster);

// What of the other agent's certificate is checked again while a connection is open. Not its end: a certificate is renewed
// daily without a new connection, and a database's connections last longer.
struct Peer {
  Bytes root_key_hash;  // of the root that it was found good by
  std::string node_id;  // empty: it names none
};
[[nodiscard]] Peer peer_of(const net::CertificateInfo& certificate, Bytes root_key_hash, const model::ClusterName& cluster);

// Why the certificate does not count any more; empty: it does.
struct TrustNow {
  std::span<const Bytes> removed_roots;  // hashes of their keys
  const RemovedNodes& removed_nodes;
};
[[nodiscard]] std::string_view why_untrusted(const Peer& peer, const TrustNow& now);

// The roots that `before` believes and `after` does not, by the hashes of their keys: subjects are text that two roots may
// share, and a root may be issued anew for the same key. Null: nothing is known, so nothing has changed.
[[nodiscard]] std::vector<Bytes> removed_roots(const net::TrustBundle* before, const net::TrustBundle* after);

}  // namespace mesh::proxy
