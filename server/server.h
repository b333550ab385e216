// Server: the server part of a process as one piece: stores in a data directory, state machine, Raft host,
// RPC handlers. The daemon makes one on its raft loop and connects transports to rpc().
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
#include "server/ca.h"
#include "server/health_duty.h"
#include "server/identity.h"
#include "server/raft_host.h"
#include "server/rpc_service.h"
#include "server/state_machine.h"
#include "storage/posix_disk.h"

namespace mesh::server {

struct ServerOptions {
  std::string data_dir;
  std::string rpc_address;  // ADDRESS:PORT, as Status tells it
  std::uint64_t seed = 0;   // from the system's generator
  raft::CoreOptions raft;
  Duration refusal_delay = LateRefusals::kRefusalDelay;  // of wrong secrets
  NodeHealthOptions health{};
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
  [[nodiscard]] const State& state() const { return machine_.state(); }

  // What this host's gossip tells: that it runs, and each event of a member.
  void gossip_started() { health_->gossip_started(); }
  void on_member(const gossip::MemberEvent& event) { health_->on_member(event); }
  // fn hears which agents' watch streams end by themselves: a sign, sooner than any probe, that the agent is gone.
  void set_on_stream_end(UniqueFunction<void(const std::string& node_id)> fn) { on_stream_end_ = std::move(fn); }

  // See RaftHost::stop.
  void stop(UniqueFunction<void()> on_stopped) { host_->stop(std::move(on_stopped)); }

 private:
  Server(ServerIdentity identity, FileLock lock, UniqueFunction<void(const Error&)> on_fatal);

  void make_services(net::Loop& loop, const ServerOptions& options);
  void on_role(const raft::RoleChange& change) override;
  void on_fatal(const Error& error) override { on_fatal_(error); }
  void init_cluster();
  void on_init(const Status& status);

  std::string data_dir_;
  std::optional<model::Command> init_;  // waits for the first leadership
  ServerIdentity identity_;
  FileLock lock_;
  UniqueFunction<void(const Error&)> on_fatal_;
  UniqueFunction<void(const std::string&)> on_stream_end_;
  storage::PosixDisk disk_;
  LoneTransport transport_;
  StateMachine machine_;
  net::RpcServer rpc_;
  std::unique_ptr<RaftHost> host_;
  std::unique_ptr<Ca> ca_;
  std::unique_ptr<HealthDuty> health_;
  std::unique_ptr<RpcService> service_;
};

}  // namespace mesh::server
