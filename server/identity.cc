#include "server/identity.h"

#include "base/file.h"
#include "base/json.h"
#include "base/message_json.h"
#include "base/uuid.h"

namespace mesh::server {

MESH_MESSAGE_TABLE(ServerIdentity, MESH_SERVER_IDENTITY_FIELDS)

namespace {

constexpr ByteCount kIdentityBytesMax{4096};

}  // namespace

std::string identity_file(const std::string& data_dir) { return data_dir + "/server.json"; }
std::string init_file(const std::string& data_dir) { return data_dir + "/init.command"; }
std::string log_folder(const std::string& data_dir) { return data_dir + "/raft"; }
std::string tables_folder(const std::string& data_dir) { return data_dir + "/tables"; }

Result<ServerIdentity> read_identity(const std::string& data_dir) {
  const Result<Bytes> text = read_file(identity_file(data_dir), kIdentityBytesMax);
  if (!text.ok() && text.error().code == Code::NotFound) {
    return error(Code::Precondition,
                 "{} is no server's data directory: make a cluster with 'meshctl cluster init', or join one with a token of 'meshctl token join --server'", data_dir);
  }
  if (!text.ok()) return text.error();
  MESH_TRY(json, parse_json(*text).context("while reading {}", identity_file(data_dir)));
  MESH_TRY(identity, from_json<ServerIdentity>(json).context("while reading {}", identity_file(data_dir)));
  if (identity.version != kIdentityVersion) {
    return error(Code::Unsupported, "{} has layout {}; this release knows {}", identity_file(data_dir),
                 identity.version, kIdentityVersion);
  }
  if (!Uuid::parse(identity.cluster_id).ok() || !Uuid::parse(identity.node_id).ok() || identity.server_id == 0) {
    return error(Code::Corrupt, "{} names no cluster, node and server", identity_file(data_dir));
  }
  return identity;
}

}  // namespace mesh::server
