// Server: the server part of a process as one piece: stores in a data directory, state machine, Raft host, connections to
// the other servers, RPC handlers. The daemon makes one on its raft loop and connects transports to rpc().
//
// Thread: the raft loop (open may run before the loop does). The loop outlives it. One process per data
// directory. End: stop(), wait for its completion, destroy. Destroying it without that is a crash as far as
// the disk goes.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "base/file.h"
#include "base/function.h"
#include "base/result.h"
#include "model/command.h"
#include "net/loop.h"
#include "net/rpc.h"
#include "net/timer.h"
#include "net/tls/handshake.h"
#include "net/tls/identity.h"
#include "server/ca.h"
#include "server/health_duty.h"
#include "server/identity.h"
#include "server/own_row.h"
#include "server/raft_host.h"
#include "server/rpc_service.h"
#include "server/rpc_transport.h"
#include "server/state_machine.h"
#include "storage/posix_disk.h"

namespace mesh::server {

struct ServerOptions {
  std::string data_dir;
  std::string rpc_address;  // ADDRESS:PORT, as other servers and agents reach it
  std::uint64_t seed = 0;   // from the system's generator
  raft::CoreOptions raft;
  Duration refusal_delay = LateRefusals::kRefusalDelay;  // of wrong secrets
  Duration hold_max = LeaderCalls::kHoldMax;             // how long a call waits for a leader
  NodeHealthOptions health{};
  // For connections to other servers; outlives the server. Null: there are none (a cluster of one).
  net::HandshakePool* pool = nullptr;
  std::string trust_domain;            // of the mesh; with pool
  MetricRegistry* metrics = nullptr;   // outlives the server
  bool keeps_membership = true;        // false: Raft's configuration is changed by hand only (tests)
};

class Server final : private RaftHostObserver {
 public:
  // on_fatal: a store failed for good; the process should end. Errors: of the identity (Precondition: not a
  // server's directory), Conflict (another process has it), of the stores.
  [[nodiscard]] static Result<std::unique_ptr<Server>> open(net::Loop& loop, const ServerOptions& options,
                                                            UniqueFunction<void(const Error&)> on_fatal);
  ~Server() override;
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  [[nodiscard]] net::RpcServer& rpc() { return rpc_; }
  [[nodiscard]] const ServerIdentity& identity() const { return identity_; }
  [[nodiscard]] const RaftHost& host() const { return *host_; }
  [[nodiscard]] RaftHost& host() { return *host_; }
  [[nodiscard]] const State& state() const { return machine_.state(); }

  [[nodiscard]] RpcTransport& transport() { return transport_; }

  // Who we are to other servers, and whom we believe, from now on; nothing is dialled before. `identity` may be null.
  void set_identity(std::shared_ptr<const net::TlsIdentity> identity, std::shared_ptr<const net::TrustBundle> trust);

  // What this host's gossip tells: that it runs, and each event of a member.
  void gossip_started() { health_->gossip_started(); }
  void on_member(const gossip::MemberEvent& event) { health_->on_member(event); }
  // fn hears which agents' watch streams end by themselves: a sign, sooner than any probe, that the agent is gone.
  void set_on_stream_end(UniqueFunction<void(const std::string& node_id)> fn) { on_stream_end_ = std::move(fn); }

  // Calls that have no answer yet.
  [[nodiscard]] std::size_t under_way() const { return service_->under_way(); }

  // A leader hands over first, and calls under way get their answers from the next one, for kHandOverMax at most; then as
  // RaftHost::stop. Connections stay usable meanwhile.
  void stop(UniqueFunction<void()> on_stopped);
  static constexpr Duration kHandOverMax = seconds(2);

 private:
  Server(net::Loop& loop, const ServerOptions& options, ServerIdentity identity, FileLock lock,
         UniqueFunction<void(const Error&)> on_fatal);

  [[nodiscard]] RpcTransport::Parts transport_parts(const ServerOptions& options);
  void drain();
  [[nodiscard]] Status check_damage() const;
  void make_services(net::Loop& loop, const ServerOptions& options);
  void on_role(const raft::RoleChange& change) override;
  void on_fatal(const Error& error) override { on_fatal_(error); }
  void init_cluster();
  void on_init(const Status& status);

  net::Loop& loop_;
  std::string data_dir_;
  std::optional<model::Command> init_;  // waits for the first leadership
  ServerIdentity identity_;
  FileLock lock_;
  UniqueFunction<void(const Error&)> on_fatal_;
  UniqueFunction<void(const std::string&)> on_stream_end_;
  storage::PosixDisk disk_;
  StateMachine machine_;
  std::shared_ptr<const net::TlsIdentity> tls_identity_;
  std::shared_ptr<const net::TrustBundle> trust_;
  RpcTransport transport_;
  net::RpcServer rpc_;
  std::unique_ptr<RaftHost> host_;
  std::unique_ptr<Ca> ca_;
  std::unique_ptr<HealthDuty> health_;
  std::unique_ptr<RpcService> service_;
  std::unique_ptr<OwnRow> own_row_;
  net::Timer drain_timer_;
  MonoTime drain_until_ = kNever;
  UniqueFunction<void()> on_stopped_;  // while it drains
};

}  // namespace mesh::server
