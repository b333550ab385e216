// `meshd init`.
#include <cstdio>

#include "agent/identity/node_files.h"
#include "base/json.h"
#include "daemon/host_config.h"
#include "daemon/membership.h"
#include "net/tls/certificate.h"
#include "server/create_cluster.h"
#include "server/identity.h"

namespace mesh::daemon {
namespace {

agent::NodeRecord record_of(const server::CreatedCluster& made, const std::string& rpc) {
  agent::NodeRecord record;
  record.version = agent::kNodeRecordVersion;
  record.node_id = made.node_id;
  record.name = made.node_name;
  record.cluster_id = made.cluster_id;
  record.datacenter = made.datacenter;
  record.domain = made.domain;
  record.kind = model::JoinKind::Server;
  if (const auto root = net::read_certificates(made.root.certificate); root.ok()) record.ca_key_hash = to_hex(root->front().key_hash);
  record.servers = {rpc};
  record.services = {"*"};
  return record;
}

// What an interrupted init left is no obstacle: server.json, which it writes last, is missing.
Status check_free(const agent::NodeFiles& files) {
  MESH_TRY(state, files.state());
  if (state == agent::JoinState::None) return {};
  MESH_TRY(record, files.read_record());
  if (record.kind == model::JoinKind::Server && !server::read_identity(files.data_dir()).ok()) return {};
  return error(Code::Conflict, "this host is a member of cluster {} already ({}); 'meshctl leave' first", record.cluster_id,
               files.record_path());
}

void print(const server::CreatedCluster& made, const model::Config& config, const std::string& default_action) {
  std::string text;
  JsonWriter out(text);
  write_json(out, JsonValue(JsonMembers{{"ClusterID", JsonValue(made.cluster_id)},
                                        {"Datacenter", JsonValue(made.datacenter)},
                                        {"Node", JsonValue(made.node_name)},
                                        {"NodeID", JsonValue(made.node_id)},
                                        {"Address", JsonValue(config.advertise)},
                                        {"DefaultAction", JsonValue(default_action)},
                                        {"ManagementToken", JsonValue(made.management_token)}}));
  std::printf("%s\n", text.c_str());
}

}  // namespace

Status run_init(model::Config config, const std::string& default_action) {
  MESH_TRY_STATUS(complete(config));
  const agent::NodeFiles files(config.data_dir);
  MESH_TRY_STATUS(check_free(files));
  server::NewCluster cluster;
  cluster.data_dir = config.data_dir;
  cluster.datacenter = config.datacenter;
  cluster.domain = config.domain;
  cluster.node_name = config.node;
  cluster.rpc_address = rpc_address(config);
  cluster.default_allow = default_action == "allow";
  cluster.save = [&](const server::CreatedCluster& made) -> Status {
    const agent::NodeRecord record = record_of(made, rpc_address(config));
    MESH_TRY_STATUS(files.begin(record, made.node_key));
    MESH_TRY_STATUS(files.write_gossip_key(made.gossip_key));
    return files.finish(record, made.node_certificate, {made.root});
  };
  MESH_TRY(made, server::create_cluster(cluster));
  MESH_TRY_STATUS(give_to_daemon_user(config.data_dir));
  print(made, config, default_action);
  return {};
}

}  // namespace mesh::daemon
