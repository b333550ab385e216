#include "server/create_cluster.h"

#include <chrono>
#include <utility>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/message_json.h"
#include "base/uuid.h"
#include "model/names.h"
#include "model/spiffe.h"
#include "net/crypto.h"
#include "net/random_uuid.h"
#include "net/tls/certificate.h"
#include "server/ca_key.h"
#include "server/identity.h"
#include "server/leaf_plan.h"
#include "server/raft_host.h"
#include "server/validate.h"
#include "storage/posix_disk.h"
#include "storage/segment_log.h"

namespace mesh::server {

namespace {

constexpr std::size_t kGossipKeyBytes = 32;
constexpr ByteCount kInitBytesMax{256 * 1024};
constexpr raft::ServerId kFirstServer{1};

std::string init_file(const std::string& data_dir) { return data_dir + "/init.command"; }
// Present while a cluster is being made: what lies beside it, without server.json, never served anybody.
std::string marker_file(const std::string& data_dir) { return data_dir + "/creating"; }

Result<bool> exists(const std::string& path) {
  const Result<Bytes> content = read_file(path, kInitBytesMax);
  if (content.ok() || content.error().code == Code::Overloaded) return true;
  if (content.error().code == Code::NotFound) return false;
  return content.error();
}

Result<bool> holds_log(storage::PosixDisk& disk, const std::string& data_dir) {
  const auto names = disk.list(log_folder(data_dir));
  if (!names.ok() && names.error().code == Code::NotFound) return false;
  if (!names.ok()) return names.error();
  return !names->empty();
}

// Clears what an interrupted attempt left, and refuses what is not ours to clear.
Status prepare(const std::string& data_dir) {
  MESH_TRY(made, exists(data_dir + "/server.json"));
  if (made) return error(Code::Conflict, "{} is a server's data directory already", data_dir);
  MESH_TRY(interrupted, exists(marker_file(data_dir)));
  storage::PosixDisk disk;
  MESH_TRY(has_log, holds_log(disk, data_dir));
  if (has_log && !interrupted) {
    return error(Code::Conflict, "{} holds a Raft log, but no server.json: move it away, or restore that file",
                 log_folder(data_dir));
  }
  MESH_TRY_STATUS(write_file_atomic(marker_file(data_dir), "a cluster is being made here\n"));
  MESH_TRY_STATUS(remove_tree(log_folder(data_dir)));
  return remove_tree(tables_folder(data_dir));
}

struct Authority {
  net::Signer::Root root;
  model::CaRoot row;
};

Result<Authority> make_authority(const CreatedCluster& made, WallTime now) {
  const WallTime not_before = std::chrono::floor<seconds>(now - kBackdated);
  const WallTime not_after = std::chrono::floor<seconds>(now + kRootLife);
  MESH_TRY(root, net::Signer::make_root({.common_name = "meshd root",
                                         .trust_domain = model::trust_domain(made.cluster_id, made.domain),
                                         .validity = {not_before, not_after}}));
  MESH_TRY(chain, net::read_certificates(root.certificate_pem));
  Authority out{std::move(root), {}};
  out.row.id = to_hex(net::sha256(out.root.certificate_pem));
  out.row.name = "meshd root";
  out.row.serial = chain.front().serial;
  out.row.key_id = to_hex(chain.front().key_hash);
  out.row.trust_domain = made.cluster_id;
  out.row.not_before = chain.front().not_before;
  out.row.not_after = chain.front().not_after;
  out.row.certificate = out.root.certificate_pem;
  out.row.active = true;
  return out;
}

struct FirstNode {
  model::Member member;
  model::Leaf leaf;
};

// The first server's key and certificate, into `made`.
Result<FirstNode> make_node(CreatedCluster& made, const Authority& authority, WallTime now) {
  made.node_key = net::make_key_pem();
  MESH_TRY(csr, net::make_csr(made.node_key));
  MESH_TRY(request, net::read_csr(csr));
  model::Cluster cluster;
  cluster.id = made.cluster_id;
  cluster.datacenter = made.datacenter;
  cluster.domain = made.domain;
  LeafSubject subject;
  subject.node_id = model::NodeId(made.node_id);
  subject.kind = model::JoinKind::Server;
  const Bytes random = net::random_bytes(kSerialBytes);
  const LeafPlan plan = plan_leaf(cluster, authority.row, subject, random, now);
  MESH_TRY(signer, net::Signer::from_pem(authority.root.certificate_pem, authority.root.key_pem));
  MESH_TRY(leaf, signer.sign_leaf(leaf_spec(plan, request)));
  made.node_certificate = leaf + authority.root.certificate_pem;
  FirstNode out;
  out.member.node_id = subject.node_id;
  out.member.kind = model::JoinKind::Server;
  out.member.name = made.node_name;
  out.member.key_hash = request.key_hash;
  out.member.services = {"*"};
  out.leaf = plan.row;
  return out;
}

// Everything that the state begins with; secrets go into `made`.
Result<model::InitCommand> make_init(const NewCluster& cluster, CreatedCluster& made, const CaKey& ca_key) {
  const WallTime now = wall_now();
  MESH_TRY(authority, make_authority(made, now));
  MESH_TRY(node, make_node(made, authority, now));
  made.root = authority.row;
  made.management_token = net::random_uuid();
  model::InitCommand init;
  init.cluster_id = made.cluster_id;
  init.datacenter = made.datacenter;
  init.domain = made.domain;
  init.default_allow = cluster.default_allow;
  init.sealed_key = ca_key.seal(authority.row.id, authority.root.key_pem);
  net::wipe(authority.root.key_pem);
  made.gossip_key = net::random_bytes(kGossipKeyBytes);
  init.gossip_key = ca_key.seal(std::string(model::kGossipKeyId), made.gossip_key);
  init.root = std::move(authority.row);
  model::ManagementToken& token = init.management_token.emplace();
  token.id = net::random_uuid();
  token.secret_hash = net::sha256(made.management_token);
  token.description = "made with the cluster";
  init.member = std::move(node.member);
  init.leaf = std::move(node.leaf);
  model::Server& server = init.server.emplace();
  server.server_id = kFirstServer.value();
  server.node_id = model::NodeId(made.node_id);
  server.name = made.node_name;
  server.address = cluster.rpc_address;
  return init;
}

Status write_server(const NewCluster& cluster, const CreatedCluster& made) {
  MESH_TRY(cluster_id, Uuid::parse(made.cluster_id));
  storage::PosixDisk disk;
  storage::SegmentLog log(disk, {.folder = log_folder(cluster.data_dir), .cluster_id = cluster_id});
  MESH_TRY_STATUS(bootstrap(log, kFirstServer));
  ServerIdentity identity;
  identity.version = kIdentityVersion;
  identity.cluster_id = made.cluster_id;
  identity.server_id = kFirstServer.value();
  identity.datacenter = made.datacenter;
  identity.node_id = made.node_id;
  return write_file_atomic(cluster.data_dir + "/server.json", to_json(identity));
}

Result<CreatedCluster> names_of(const NewCluster& cluster) {
  CreatedCluster made;
  made.cluster_id = cluster.cluster_id.empty() ? net::random_uuid() : cluster.cluster_id;
  made.datacenter = cluster.datacenter;
  made.domain = cluster.domain;
  made.node_id = net::random_uuid();
  made.node_name = cluster.node_name;
  MESH_TRY(id, Uuid::parse(made.cluster_id));
  made.cluster_id = id.to_string();
  const std::string_view fault = model::name_fault(made.node_name);
  if (!fault.empty()) return error(Code::Invalid, "the node name \"{}\" {}", made.node_name, fault);
  model::InitCommand init;
  init.cluster_id = made.cluster_id;
  init.datacenter = made.datacenter;
  init.domain = made.domain;
  MESH_TRY_STATUS(validate(model::make_command(init)));
  return made;
}

}  // namespace

Result<CreatedCluster> create_cluster(const NewCluster& cluster) {
  MESH_TRY(made, names_of(cluster));
  MESH_TRY_STATUS(make_dirs(cluster.data_dir));
  MESH_TRY(lock, FileLock::acquire(cluster.data_dir + "/server.lock"));
  MESH_TRY_STATUS(prepare(cluster.data_dir));
  const CaKey ca_key = CaKey::make();
  MESH_TRY(init, make_init(cluster, made, ca_key).context("while making the cluster's keys"));
  MESH_TRY_STATUS(write_ca_key(cluster.data_dir, ca_key));
  MESH_TRY_STATUS(write_file_atomic(init_file(cluster.data_dir), model::encode_command(model::make_command(std::move(init)))));
  if (cluster.save) MESH_TRY_STATUS(cluster.save(made));
  MESH_TRY_STATUS(write_server(cluster, made).context("while making a cluster"));
  const Status cleared = remove_tree(marker_file(cluster.data_dir));
  if (!cleared.ok()) LOG_WARN("a file was not removed", {"why", cleared.error()});  // server.json counts
  return made;
}

Result<std::optional<model::Command>> read_init_command(const std::string& data_dir) {
  const Result<Bytes> content = read_file(init_file(data_dir), kInitBytesMax);
  if (!content.ok() && content.error().code == Code::NotFound) return std::optional<model::Command>();
  if (!content.ok()) return content.error();
  MESH_TRY(command, model::decode_command(*content).context("while reading {}", init_file(data_dir)));
  if (command.kind == model::CommandKind::Init) return std::optional(std::move(command));
  return error(Code::Corrupt, "{} holds no command that makes a cluster", init_file(data_dir));
}

void forget_init_command(const std::string& data_dir) {
  const Status removed = remove_tree(init_file(data_dir));
  if (!removed.ok()) LOG_WARN("a file was not removed", {"why", removed.error()});
}

}  // namespace mesh::server
