// The agent's RPC channel to the servers: one TLS connection to one of them, made again and elsewhere when it fails
// (net/rpc_redial.h), under the agent's own identity. A loop that asks has a channel of its own.
//
// Thread: its loop. Errors while not connected: Unavailable with the reason, at once; ServerClient tries again until its
// caller's deadline. Only a certificate of a server of our trust domain is talked to.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/function.h"
#include "base/result.h"
#include "base/rng.h"
#include "model/spiffe.h"
#include "net/address.h"
#include "net/rpc.h"
#include "net/rpc_redial.h"

namespace mesh::net {
struct CertificateInfo;
class HandshakePool;
class Loop;
class TlsIdentity;
class TrustBundle;
}  // namespace mesh::net

namespace mesh::agent {

struct ServerChannelOptions {
  std::string datacenter;
  std::string trust_domain;
  net::RpcRedialOptions redial = {};
};

// That a certificate is one of a server of the cluster, not only of somebody with that name: a service called "server" gets
// the same SNI. Errors: model::identity_in's; Denied (no server's). Pure; any thread.
[[nodiscard]] Status verify_server(const net::CertificateInfo& certificate, const model::ClusterName& cluster);

class ServerChannel final : public net::RpcChannel {
 public:
  // loop and pool must outlive it. Nothing is dialled before all three setters were called.
  ServerChannel(net::Loop& loop, net::HandshakePool& pool, Rng rng, ServerChannelOptions options);
  ~ServerChannel() override;

  [[nodiscard]] std::unique_ptr<net::RpcCall> call(net::RpcMethod method, Bytes request, MonoTime deadline,
                                                   OnReply on_reply) override;
  [[nodiscard]] std::unique_ptr<net::RpcStream> open(net::RpcMethod method, Bytes request,
                                                     net::RpcStreamObserver& observer) override;

  // Each may be called again while it runs. New identity or trust: a new connection is made under it and takes the new
  // calls; the old one ends when its calls have.
  void set_servers(std::vector<net::Endpoint> servers);
  void set_identity(std::shared_ptr<const net::TlsIdentity> identity);
  void set_trust(std::shared_ptr<const net::TrustBundle> trust);

  [[nodiscard]] const net::RpcLinkState& state() const;
  [[nodiscard]] std::string describe() const;  // one line for people and `meshctl doctor`
  // After each change between connected and not, on the loop; must not destroy the channel.
  void set_on_change(UniqueFunction<void()> fn);

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

}  // namespace mesh::agent
