#include "server/identity.h"

#include "base/file.h"
#include "base/json.h"
#include "base/message_json.h"
#include "base/uuid.h"
#include "server/raft_host.h"
#include "storage/posix_disk.h"
#include "storage/segment_log.h"

namespace mesh::server {

MESH_MESSAGE_TABLE(ServerIdentity, MESH_SERVER_IDENTITY_FIELDS)

namespace {

constexpr ByteCount kIdentityBytesMax{4096};
constexpr raft::ServerId kFirstServer{1};

std::string identity_file(const std::string& data_dir) { return data_dir + "/server.json"; }

}  // namespace

std::string log_folder(const std::string& data_dir) { return data_dir + "/raft"; }
std::string tables_folder(const std::string& data_dir) { return data_dir + "/tables"; }

Result<ServerIdentity> read_identity(const std::string& data_dir) {
  const Result<Bytes> text = read_file(identity_file(data_dir), kIdentityBytesMax);
  if (!text.ok() && text.error().code == Code::NotFound) {
    return error(Code::Precondition,
                 "{} is no server's data directory: make a cluster with 'meshctl cluster init'", data_dir);
  }
  if (!text.ok()) return text.error();
  MESH_TRY(json, parse_json(*text).context("while reading {}", identity_file(data_dir)));
  MESH_TRY(identity, from_json<ServerIdentity>(json).context("while reading {}", identity_file(data_dir)));
  if (identity.version != kIdentityVersion) {
    return error(Code::Unsupported, "{} has layout {}; this release knows {}", identity_file(data_dir),
                 identity.version, kIdentityVersion);
  }
  if (!Uuid::parse(identity.cluster_id).ok() || identity.server_id == 0) {
    return error(Code::Corrupt, "{} names no cluster and server", identity_file(data_dir));
  }
  return identity;
}

Status create_cluster(const NewCluster& cluster) {
  MESH_TRY(cluster_id, Uuid::parse(cluster.cluster_id));
  MESH_TRY_STATUS(make_dirs(cluster.data_dir));
  MESH_TRY(lock, FileLock::acquire(cluster.data_dir + "/server.lock"));
  if (read_file(identity_file(cluster.data_dir), kIdentityBytesMax).ok()) {
    return error(Code::Conflict, "{} is a server's data directory already", cluster.data_dir);
  }
  storage::PosixDisk disk;
  storage::SegmentLog log(disk, {.folder = log_folder(cluster.data_dir), .cluster_id = cluster_id});
  const Status made = bootstrap(log, kFirstServer);
  if (!made.ok()) {
    return Error(made.error())
        .context("while making a cluster (if an earlier attempt was interrupted, remove {})",
                 log_folder(cluster.data_dir));
  }
  ServerIdentity identity;
  identity.version = kIdentityVersion;
  identity.cluster_id = cluster_id.to_string();
  identity.server_id = kFirstServer.value();
  identity.datacenter = cluster.datacenter;
  identity.default_allow = cluster.default_allow;
  return write_file_atomic(identity_file(cluster.data_dir), to_json(identity));
}

}  // namespace mesh::server
