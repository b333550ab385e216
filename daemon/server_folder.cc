#include "daemon/server_folder.h"

#include "server/join_cluster.h"
#include "server/server_folder.h"

namespace mesh::daemon {
namespace {

class OwnServerFolder final : public ServerFolder {
 public:
  explicit OwnServerFolder(std::string data_dir) : data_dir_(std::move(data_dir)) {}

  Status check(const std::string& cluster_id, const std::string& node_id) override {
    return server::check_can_join(data_dir_, cluster_id, node_id);
  }
  Status make(const agent::NodeRecord& record, const model::JoinResponse& response) override {
    server::ServerIdentity identity;
    identity.version = server::kIdentityVersion;
    identity.cluster_id = record.cluster_id;
    identity.server_id = response.server_id;
    identity.datacenter = record.datacenter;
    identity.node_id = record.node_id;
    return server::join_cluster(data_dir_, identity, response.ca_key);
  }
  Status remove() override { return server::remove_server(data_dir_); }

 private:
  std::string data_dir_;
};

}  // namespace

std::unique_ptr<ServerFolder> open_server_folder(const std::string& data_dir) {
  return std::make_unique<OwnServerFolder>(data_dir);
}

}  // namespace mesh::daemon
