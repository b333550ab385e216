// What makes an agent's host part of the mesh: certificates of the node and its services, the data plane on threads of its
// own, steering of mesh addresses to it.
//
// Thread: the main thread, which runs the agent loop; update() on the agent loop.
#pragma once

#include <list>
#include <memory>
#include <vector>

#include "agent/callers/caller_watch.h"
#include "agent/dns/server.h"
#include "agent/identity/certificate_keeper.h"
#include "agent/proxy/proxy.h"
#include "agent/proxy_feed.h"
#include "agent/view.h"
#include "base/function.h"
#include "base/metrics.h"
#include "base/result.h"
#include "base/rng.h"
#include "daemon/caller_proof.h"
#include "daemon/loop_thread.h"
#include "daemon/steer_client.h"
#include "model/config.h"
#include "net/loop.h"
#include "net/tls/handshake.h"

namespace mesh::daemon {

inline constexpr std::size_t kProxyWorkersMax = 4;

class MeshPart {
 public:
  struct Options {
    const model::Config& config;  // with bind filled in
    agent::NodeFiles files;
    agent::NodeIdentity node;
    // On the agent loop, for each change of the node's certificate or the trusted roots, and once from open().
    UniqueFunction<void(const proxy::Identities&)> on_identities;
    UniqueFunction<void(const std::vector<std::string>&)> on_servers;  // see CertificateKeeper
    dns::Server::SteeredSockets dns;                 // for meshd-steer; open as long as this object
    UniqueFunction<void(UniqueFd)> on_dns_answers;  // see SteerClient
  };

  MeshPart(net::Loop& loop, net::HandshakePool& pool, MetricRegistry& metrics);
  ~MeshPart() { stop(); }
  MeshPart(const MeshPart&) = delete;
  MeshPart& operator=(const MeshPart&) = delete;

  // Binds the listeners and starts the workers. Errors: Proxy::start's.
  Status open(Options options, net::RpcChannel& servers, net::BlockingWorker& disk, Rng rng);
  void update(const agent::AgentViewPtr& view);
  // No new connections; open ones may end until the deadline. on_drained: on the agent loop.
  void drain(MonoTime deadline, UniqueFunction<void()> on_drained);
  void stop();

  // How local programs reach mesh addresses. REQUIRES open().
  [[nodiscard]] Steering steering() const { return decide_steering(steer_->state()); }
  // Whether questions to 127.128.0.53 reach this agent. REQUIRES open().
  [[nodiscard]] bool steers_dns() const;
  // As CertificateKeeper's. REQUIRES open().
  [[nodiscard]] std::vector<agent::CertificateFact> certificates() const { return keeper_->certificates(); }
  [[nodiscard]] const std::vector<std::string>& servers() const { return keeper_->servers(); }

 private:
  void publish();
  void steer(Options& options);

  net::Loop& loop_;
  net::HandshakePool& pool_;
  MetricRegistry& metrics_;
  UniqueFunction<void(const proxy::Identities&)> on_identities_;
  std::string datacenter_;
  std::string trust_domain_;
  std::unique_ptr<KernelCallerProof> proof_;
  std::list<LoopThread> workers_;
  std::unique_ptr<proxy::Proxy> proxy_;
  std::unique_ptr<agent::CallerWatch> callers_;
  agent::ProxyFeed feed_;
  agent::AgentViewPtr view_;
  proxy::ProxySnapshotPtr published_;
  std::unique_ptr<agent::CertificateKeeper> keeper_;
  std::unique_ptr<SteerClient> steer_;
  dns::Server::SteeredSockets dns_;
};

}  // namespace mesh::daemon
