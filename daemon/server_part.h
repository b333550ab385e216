// The server part of a process: raft loop, stores, state machine, RPC. Agents of this process reach it by connect();
// others over TLS (listen).
//
// Thread: made, opened, started, stopped and destroyed by the main thread; connect() any thread after open().
#pragma once

#include <memory>

#include "agent/identity/node_files.h"
#include "agent/proxy/snapshot.h"
#include "base/function.h"
#include "base/metrics.h"
#include "base/result.h"
#include "daemon/loop_thread.h"
#include "model/config.h"
#include "net/rpc.h"
#include "net/rpc_local.h"
#include "net/rpc_tls.h"
#include "server/peer.h"
#include "server/server.h"

namespace mesh::daemon {

class ServerPart {
 public:
  explicit ServerPart(MetricRegistry& metrics) : metrics_(metrics), thread_("raft") {}
  ~ServerPart() { stop(); }
  ServerPart(const ServerPart&) = delete;
  ServerPart& operator=(const ServerPart&) = delete;

  // Blocks while the stores are read. on_fatal: on the raft loop; a store failed for good and the process should end.
  // Errors: Server::open's.
  Status open(const server::ServerOptions& options, UniqueFunction<void(const Error&)> on_fatal);
  // Opens the RPC port for other hosts. REQUIRES open(), before start(). Errors: RpcTlsListener::listen's.
  Status listen(const model::Config& config, const agent::NodeRecord& record, net::HandshakePool& pool);
  // Under which certificate the RPC port serves from now on. Any thread.
  void set_identities(const proxy::Identities& identities);
  // What gossip tells; from the first call on the server judges its nodes' health. Any thread.
  void gossip_started();
  void on_member(const gossip::MemberEvent& event);
  // on_stream_end: on the raft loop, see Server::set_on_stream_end. REQUIRES open(), before start().
  void set_on_stream_end(UniqueFunction<void(const std::string& node_id)> on_stream_end) {
    server_->set_on_stream_end(std::move(on_stream_end));
  }
  void start() { thread_.start(); }
  // Cancels what waits, makes the tables durable, ends the thread; gives up waiting after some seconds.
  void stop();

  [[nodiscard]] net::Loop& loop() { return thread_.loop(); }
  [[nodiscard]] server::Server& server() { return *server_; }
  // A channel for callers of this process on client_loop.
  [[nodiscard]] std::unique_ptr<net::RpcChannel> connect(net::Loop& client_loop) const;

 private:
  [[nodiscard]] net::TlsServerOptions tls_options(const model::ClusterName& cluster) const;

  MetricRegistry& metrics_;
  LoopThread thread_;
  std::unique_ptr<server::Server> server_;
  std::unique_ptr<net::LocalRpcListener> local_;
  std::unique_ptr<net::RpcTlsListener> port_;
  std::shared_ptr<const net::TlsIdentity> identity_;  // of the raft loop, as trust_
  std::shared_ptr<const net::TrustBundle> trust_;
};

}  // namespace mesh::daemon
