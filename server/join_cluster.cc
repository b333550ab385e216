#include "server/join_cluster.h"

#include <optional>
#include <utility>

#include "base/uuid.h"
#include "server/ca_key.h"
#include "server/server_folder.h"
#include "storage/posix_disk.h"
#include "storage/segment_log.h"

namespace mesh::server {

namespace {

// None: the directory is no server's.
Result<std::optional<ServerIdentity>> find_identity(const std::string& data_dir) {
  Result<ServerIdentity> identity = read_identity(data_dir);
  if (identity.ok()) return std::optional(std::move(identity).value());
  if (identity.error().code == Code::Precondition) return std::optional<ServerIdentity>();
  return std::move(identity).error();
}

Error belongs_to(const std::string& data_dir, const ServerIdentity& identity) {
  return error(Code::Conflict, "{} is the data directory of server {} of cluster {}: 'meshctl leave' first, or use another --data-dir",
               data_dir, identity.server_id, identity.cluster_id);
}

// Made here, so that a start without it knows that it is lost.
Status make_log(const std::string& data_dir, const std::string& cluster) {
  MESH_TRY(cluster_id, Uuid::parse(cluster));
  storage::PosixDisk disk;
  storage::SegmentLog log(disk, {.folder = log_folder(data_dir), .cluster_id = cluster_id});
  const auto opened = log.open();
  return opened.ok() ? Status() : Status(opened.error());
}

}  // namespace

Status check_can_join(const std::string& data_dir, const std::string& cluster_id, const std::string& node_id) {
  MESH_TRY(found, find_identity(data_dir));
  if (!found) return check_free_folder(data_dir);
  if (found->cluster_id == cluster_id && found->node_id == node_id) return {};
  return belongs_to(data_dir, *found);
}

Status join_cluster(const std::string& data_dir, const ServerIdentity& identity, const std::string& ca_key) {
  if (identity.server_id == 0 || !Uuid::parse(identity.cluster_id).ok() || !Uuid::parse(identity.node_id).ok())
    return error(Code::Invalid, "the cluster gave this host no number as a server");
  MESH_TRY(key, CaKey::parse(ca_key).context("while reading the key that the cluster handed over"));
  MESH_TRY(found, find_identity(data_dir));
  if (found) return *found == identity ? Status() : belongs_to(data_dir, *found);
  MESH_TRY(lock, begin_server(data_dir));
  MESH_TRY_STATUS(write_ca_key(data_dir, key));
  MESH_TRY_STATUS(make_log(data_dir, identity.cluster_id));
  return finish_server(data_dir, identity);
}

}  // namespace mesh::server
