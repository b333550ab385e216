#include "server/server.h"

#include <utility>

#include "base/log.h"
#include "base/uuid.h"
#include "server/create_cluster.h"
#include "storage/rocks_tables.h"
#include "storage/segment_log.h"

namespace mesh::server {

Result<std::unique_ptr<Server>> Server::open(net::Loop& loop, const ServerOptions& options,
                                             UniqueFunction<void(const Error&)> on_fatal) {
  MESH_TRY(identity, read_identity(options.data_dir));
  MESH_TRY(lock, FileLock::acquire(options.data_dir + "/server.lock"));
  MESH_TRY(cluster_id, Uuid::parse(identity.cluster_id));
  MESH_TRY(init, read_init_command(options.data_dir));
  MESH_TRY(ca_key, read_ca_key(options.data_dir));
  if (!ca_key) LOG_WARN("this server cannot sign certificates: it has no ca.key", {"folder", options.data_dir});
  std::unique_ptr<Server> server(new Server(std::move(identity), std::move(lock), std::move(on_fatal)));
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
  MESH_TRY(host, RaftHost::open({loop, server->machine_, server->transport_, *server}, host_options,
                                std::move(stores)));
  server->host_ = std::move(host);
  server->ca_ = std::make_unique<Ca>(loop.ref(), std::move(ca_key));
  server->make_services(loop, options);
  server->service_->serve(server->rpc_);
  return server;
}

void Server::make_services(net::Loop& loop, const ServerOptions& options) {
  health_ = std::make_unique<HealthDuty>(
      HealthDuty::Parts{loop, [this]() -> const State& { return machine_.state(); },
                        [this](model::Command command, RaftHost::OnResult on_result) {
                          service_->propose(std::move(command), std::move(on_result));
                        }},
      identity_.node_id, options.health);
  RpcService::Options service;
  service.rpc_address = options.rpc_address;
  service.seed = options.seed + 1;
  service.refusal_delay = options.refusal_delay;
  service.on_stream_end = [this](const std::string& node_id) {
    if (on_stream_end_) on_stream_end_(node_id);
  };
  service.on_changes = [this](const model::ChangeSet& changes) { health_->on_changes(changes); };
  service_ = std::make_unique<RpcService>(RpcService::Parts{loop, *host_, machine_, *ca_}, std::move(service));
}

Server::Server(ServerIdentity identity, FileLock lock, UniqueFunction<void(const Error&)> on_fatal)
    : identity_(std::move(identity)), lock_(std::move(lock)), on_fatal_(std::move(on_fatal)) {}

Server::~Server() = default;

// The first leader writes down what the cluster is. If that is in the log already and only not yet applied here, the
// command comes to nothing.
void Server::on_role(const raft::RoleChange& change) {
  const bool leader = change.role == raft::Role::Leader;
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
