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

std::string damaged_server_remedy(const std::string& data_dir) {
  return fmt::format("as long as other servers of the cluster run, their state is whole: take this one out there ('meshctl cluster remove NAME'), "
                     "only then remove {} and join it again with a token of 'meshctl token join --server'. If this is the only server, keep "
                     "the folder and restore it whole from a backup", data_dir);
}

namespace {

Result<ServerIdentity> parse_identity(ByteView text, const std::string& path) {
  MESH_TRY(json, parse_json(text).context("while reading {}", path));
  MESH_TRY(identity, from_json<ServerIdentity>(json).context("while reading {}", path));
  if (identity.version != kIdentityVersion)
    return error(Code::Unsupported, "{} has layout {}; this release knows {}", path, identity.version, kIdentityVersion);
  if (!Uuid::parse(identity.cluster_id).ok() || !Uuid::parse(identity.node_id).ok() || identity.server_id == 0)
    return error(Code::Corrupt, "{} names no cluster, node and server", path);
  return identity;
}

}  // namespace

Result<ServerIdentity> read_identity(const std::string& data_dir) {
  auto text = read_file(identity_file(data_dir), kIdentityBytesMax);
  if (!text.ok() && text.error().code == Code::NotFound) {
    return error(Code::Precondition,
                 "{} is no server's data directory: make a cluster with 'meshctl cluster init', or join one with a token of 'meshctl token join --server'", data_dir);
  }
  auto identity = text.ok() ? parse_identity(*text, identity_file(data_dir)) : Result<ServerIdentity>(std::move(text).error());
  if (!identity.ok() && identity.error().code != Code::Io && identity.error().code != Code::Unsupported)
    return error(identity.error().code == Code::Precondition ? Code::Precondition : Code::Corrupt,
                 "{}; restore it from a backup of this host, or, {}", identity.error().message, damaged_server_remedy(data_dir));
  return identity;
}

}  // namespace mesh::server
