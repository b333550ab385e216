#include "server/server.h"

#include <utility>

#include "base/log.h"
#include "base/uuid.h"
#include "model/spiffe.h"
#include "net/loop.h"
#include "net/rpc_tls.h"
#include "server/create_cluster.h"
#include "server/members.h"
#include "server/peer.h"
#include "server/server_folder.h"
#include "storage/rocks_tables.h"
#include "storage/segment_log.h"

namespace mesh::server {

Result<std::unique_ptr<Server>> Server::open(net::Loop& loop, const ServerOptions& options,
                                             UniqueFunction<void(const Error&)> on_fatal) {
  MESH_TRY(identity, read_identity(options.data_dir));
  MESH_TRY(lock, FileLock::acquire(options.data_dir + "/server.lock"));
  MESH_TRY(cluster_id, Uuid::parse(identity.cluster_id));
  MESH_TRY(has_log, holds_log(options.data_dir));
  if (!has_log)
    return error(Code::Corrupt, "{} is gone, and with it what this server has promised the others; {}", log_folder(options.data_dir),
                 damaged_server_remedy(options.data_dir));
  MESH_TRY(init, read_init_command(options.data_dir));
  MESH_TRY(ca_key, read_ca_key(options.data_dir));
  if (!ca_key) LOG_WARN("this server cannot sign certificates: it has no ca.key", {"folder", options.data_dir});
  std::unique_ptr<Server> server(new Server(loop, options, std::move(identity), std::move(lock), std::move(on_fatal)));
  server->data_dir_ = options.data_dir;
  server->init_ = std::move(init);

  RaftStores stores;
  stores.log = std::make_unique<storage::SegmentLog>(
      server->disk_,
      storage::SegmentLogOptions{.folder = log_folder(options.data_dir), .cluster_id = cluster_id});
  stores.tables = std::make_unique<storage::RocksTables>(
      storage::RocksTablesOptions{.folder = tables_folder(options.data_dir), .cluster_id = cluster_id});
  RaftHostOptions host_options;
  host_options.self = raft::ServerId(server->identity_.server_id);
  host_options.core = options.raft;
  host_options.seed = options.seed;
  host_options.metrics = options.metrics;
  auto host = RaftHost::open({loop, server->machine_, server->transport_, *server}, host_options, std::move(stores));
  if (!host.ok() && host.error().code == Code::Corrupt)
    return error(Code::Corrupt, "{}; {}", host.error().message, damaged_server_remedy(options.data_dir));
  MESH_TRY(opened, std::move(host));
  server->host_ = std::move(opened);
  MESH_TRY_STATUS(server->check_damage());
  server->ca_ = std::make_unique<Ca>(loop.ref(), std::move(ca_key));
  server->make_services(loop, options);
  server->service_->serve(server->rpc_);
  server->own_row_ = std::make_unique<OwnRow>(
      OwnRow::Parts{loop, server->rpc_, [state = &server->machine_]() -> const State& { return state->state(); }}, server->identity_,
      options.rpc_address, options.seed + 3);
  return server;
}

// With other servers the leader repairs the log; alone nobody can.
Status Server::check_damage() const {
  if (!host_->core().damaged()) return {};
  if (machine_.state().servers().size() == 1)
    return error(Code::Corrupt, "{} is damaged, and no other server has its entries; {}", log_folder(data_dir_),
                 damaged_server_remedy(data_dir_));
  LOG_ERROR("the Raft log is damaged: this server does not vote and takes its entries from the leader", {"folder", log_folder(data_dir_)});
  return {};
}

Server::Server(net::Loop& loop, const ServerOptions& options, ServerIdentity identity, FileLock lock,
               UniqueFunction<void(const Error&)> on_fatal)
    : loop_(loop),
      identity_(std::move(identity)),
      lock_(std::move(lock)),
      on_fatal_(std::move(on_fatal)),
      transport_(transport_parts(options), {.cluster_id = identity_.cluster_id,
                                            .self = raft::ServerId(identity_.server_id),
                                            .address = options.rpc_address,
                                            .seed = options.seed + 2,
                                            .metrics = options.metrics}),
      drain_timer_(loop, [this] { drain(); }) {}

void Server::make_services(net::Loop& loop, const ServerOptions& options) {
  health_ = std::make_unique<HealthDuty>(
      HealthDuty::Parts{loop, [this]() -> const State& { return machine_.state(); },
                        [this](model::Command command, RaftHost::OnResult on_result) {
                          service_->propose(std::move(command), std::move(on_result));
                        },
                        options.metrics},
      identity_.node_id, options.health);
  RpcService::Options service;
  service.seed = options.seed + 1;
  service.refusal_delay = options.refusal_delay;
  service.metrics = options.metrics;
  service.hold_max = options.hold_max;
  service.keeps_membership = options.keeps_membership;
  service.on_stream_end = [this](const std::string& node_id) {
    if (on_stream_end_) on_stream_end_(node_id);
  };
  service.on_changes = [this](const model::ChangeSet& changes) { health_->on_changes(changes); };
  service_ = std::make_unique<RpcService>(RpcService::Parts{loop, *host_, machine_, *ca_, transport_}, std::move(service));
}

Server::~Server() = default;

// --- other servers

RpcTransport::Parts Server::transport_parts(const ServerOptions& options) {
  RpcTransport::Parts parts{loop_, nullptr, [this](const std::string& node_id) { return check_speaks_as_server(machine_.state(), node_id); },
                            [this](raft::Message message) {
                              if (host_ != nullptr) host_->receive(std::move(message));
                            }};
  if (options.pool == nullptr) return parts;
  parts.dialer = [this, pool = options.pool, cluster = model::ClusterName{options.trust_domain, identity_.datacenter}](
                     std::string node_id) -> std::unique_ptr<net::RpcDialer> {
    return std::make_unique<net::TlsDialer>(loop_, *pool, [this, cluster, node_id = std::move(node_id)] {
      net::TlsClientOptions tls;
      if (tls_identity_ == nullptr) return tls;  // nothing to show: the dial fails
      tls.identity = tls_identity_;
      tls.trust = trust_;
      tls.server_name = model::server_sni(cluster.datacenter, cluster.trust_domain);
      tls.verify = [cluster, node_id](const net::CertificateInfo& certificate) -> Status {
        MESH_TRY(peer, peer_of(cluster, &certificate));
        if (peer.kind == net::RpcPeer::Kind::Server && peer.id == node_id) return {};
        return error(Code::Denied, "this is node {}, not server {}", peer.id, node_id);
      };
      return tls;
    });
  };
  return parts;
}

void Server::set_identity(std::shared_ptr<const net::TlsIdentity> identity, std::shared_ptr<const net::TrustBundle> trust) {
  if (identity == tls_identity_ && trust == trust_) return;
  tls_identity_ = std::move(identity);
  trust_ = std::move(trust);
  transport_.renew();
}

// --- end

void Server::stop(UniqueFunction<void()> on_stopped) {
  on_stopped_ = std::move(on_stopped);
  drain_until_ = loop_.now() + kHandOverMax;
  host_->hand_over([this](const Status& status) {
    if (!status.ok()) LOG_WARN("leadership was not handed over", {"why", status.error()});
    drain_timer_.start_after(Duration::zero());
  });
}

// The calls of this server's clients are answered by the new leader, if there is one.
void Server::drain() {
  const bool others = host_->core().configuration().voters.size() > 1;
  if (others && !host_->is_leader() && service_->under_way() != 0 && loop_.now() < drain_until_) {
    return drain_timer_.start_after(LeaderCalls::kLookAgain);
  }
  host_->stop(std::move(on_stopped_));
}

// --- cluster

// The first leader writes down what the cluster is. If that is in the log already and only not yet applied here, the
// command comes to nothing.
void Server::on_role(const raft::RoleChange& change) {
  const bool leader = change.role == raft::Role::Leader;
  if (service_ != nullptr) service_->on_role();
  if (leader && init_) init_cluster();
  if (health_ != nullptr) health_->on_role(leader);
}

void Server::init_cluster() {
  service_->propose(*init_, [this](Result<Bytes> result) { on_init(status_of(result)); });
}

void Server::on_init(const Status& status) {
  if (!status.ok() && status.error().code != Code::Conflict) {
    LOG_WARN("the cluster's first rows were not written", {"error", status.error()});
    return;  // at the next leadership
  }
  init_.reset();
  forget_init_command(data_dir_);
}

}  // namespace mesh::server
