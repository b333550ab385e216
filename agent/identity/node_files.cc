#include "agent/identity/node_files.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "base/base64.h"
#include "base/check.h"
#include "base/file.h"
#include "base/json.h"
#include "base/message_json.h"
#include "base/uuid.h"
#include "model/names.h"

namespace mesh::agent {

MESH_MESSAGE_TABLE(NodeRecord, MESH_NODE_RECORD_FIELDS)

namespace {

constexpr std::string_view kGossipKeyWord = "meshd-gossip-key-1";
constexpr mode_t kPrivateMode = 0600;
constexpr mode_t kPublicMode = 0640;

Result<bool> exists(const std::string& path) {
  struct stat found {};
  if (::lstat(path.c_str(), &found) == 0) return true;
  if (errno == ENOENT) return false;
  return io_error("look at " + path, errno);
}

// Whoever may write to the directory can put another node's files there.
Status check_folder(const std::string& path) {
  struct stat found {};
  if (::stat(path.c_str(), &found) != 0) return io_error("look at " + path, errno);
  if ((found.st_mode & 0002) == 0) return {};
  return error(Code::Precondition, "everybody may write to {}; run 'chmod o-w {}'", path, path);
}

Result<std::string> read_public(const std::string& path) {
  return read_file(path, ByteCount{kIdentityFileBytesMax});
}

Status check_record(const NodeRecord& record, const std::string& path) {
  if (record.version != kNodeRecordVersion)
    return error(Code::Unsupported, "{} has layout {}; this release knows {}", path, record.version, kNodeRecordVersion);
  const bool whole = Uuid::parse(record.node_id).ok() && Uuid::parse(record.cluster_id).ok() &&
                     model::is_dns_label(record.datacenter) && !record.domain.empty();
  if (whole) return {};
  return error(Code::Corrupt, "{} names no node and cluster", path);
}

// What stands in a file of ours and cannot be read is damage, not somebody's bad request.
Error useless(const Error& why, const std::string& remedy) {
  return error(why.code == Code::Invalid ? Code::Corrupt : why.code, "{}; {}", why.message, remedy);
}

Result<NodeRecord> parse_record(const std::string& text, const std::string& path) {
  MESH_TRY(json, parse_json(text).context("while reading {}", path));
  MESH_TRY(record, from_json<NodeRecord>(json).context("while reading {}", path));
  MESH_TRY_STATUS(check_record(record, path));
  return record;
}

// The certificate says that it is this node's in this cluster.
Status check_certificate(const net::CertificateInfo& leaf, const NodeRecord& record, const std::string& path) {
  const std::string wanted = node_spiffe_id(record).uri();
  if (leaf.uris.size() == 1 && leaf.uris[0] == wanted) return {};
  return error(Code::Corrupt, "{} is the certificate of '{}', this node is '{}'; restore the files of one node, or run 'meshctl leave' and join again",
               path, leaf.uris.empty() ? std::string() : leaf.uris[0], wanted);
}

// A secret that a joined node cannot be without.
Result<std::string> read_secret(const std::string& path) {
  auto text = read_private(path);
  if (!text.ok() && text.error().code == Code::NotFound)
    return error(Code::Corrupt, "{} is gone; restore it, or run 'meshctl leave' and join again", path);
  return text;
}

std::string pem_of(const std::vector<model::CaRoot>& roots) {
  std::string pem;
  for (const model::CaRoot& root : roots) {
    pem += root.certificate;
    if (!pem.ends_with('\n')) pem += '\n';
  }
  return pem;
}

}  // namespace

std::string trust_domain_of(const NodeRecord& record) { return model::trust_domain(record.cluster_id, record.domain); }

model::SpiffeId node_spiffe_id(const NodeRecord& record) {
  model::SpiffeId id;
  id.kind = record.kind == model::JoinKind::Server ? model::SpiffeId::Kind::Server : model::SpiffeId::Kind::Agent;
  id.trust_domain = trust_domain_of(record);
  id.datacenter = record.datacenter;
  id.name = record.node_id;
  return id;
}

Status check_private(const std::string& path) {
  struct stat found {};
  if (::stat(path.c_str(), &found) != 0) return io_error("look at " + path, errno);
  if ((found.st_mode & 0077) != 0)
    return error(Code::Precondition, "{} may be read by others (mode {:04o}); run 'chmod 600 {}'", path,
                 found.st_mode & 07777, path);
  if (found.st_uid != ::geteuid() && found.st_uid != 0 && ::geteuid() != 0)
    return error(Code::Precondition, "{} belongs to user {}, the agent runs as user {}; run 'chown {} {}'", path,
                 found.st_uid, ::geteuid(), ::geteuid(), path);
  return {};
}

Result<std::string> read_private(const std::string& path) {
  MESH_TRY(there, exists(path));
  if (!there) return error(Code::NotFound, "there is no {}", path);
  MESH_TRY_STATUS(check_private(path));
  return read_file(path, ByteCount{kIdentityFileBytesMax});
}

std::string NodeFiles::service_path(std::string_view service) const {
  CHECK(model::is_dns_label(service), "a certificate file for '{}'", service);
  return service_folder() + "/" + model::fold_name(service) + ".pem";
}

Result<JoinState> NodeFiles::state() const {
  MESH_TRY(record, exists(record_path()));
  if (!record) return JoinState::None;
  MESH_TRY(certificate, exists(certificate_path()));
  return certificate ? JoinState::Joined : JoinState::Begun;
}

Result<NodeRecord> NodeFiles::read_record() const {
  auto text = read_public(record_path());
  if (!text.ok() && text.error().code == Code::NotFound)
    return error(Code::Precondition, "{} is not joined to a cluster; run 'meshctl join'", data_dir_);
  auto record = text.ok() ? parse_record(*text, record_path()) : Result<NodeRecord>(std::move(text).error());
  if (!record.ok() && record.error().code != Code::Io && record.error().code != Code::Unsupported)
    return useless(record.error(), remedy());
  return record;
}

Result<std::string> NodeFiles::read_key() const { return read_secret(key_path()); }

Result<Bytes> NodeFiles::read_gossip_key() const {
  MESH_TRY(text, read_secret(gossip_key_path()));
  std::string_view line = text;
  if (line.ends_with('\n')) line.remove_suffix(1);
  const std::size_t space = std::min(line.find(' '), line.size());
  const Result<Bytes> key = base64url_decode(line.substr(std::min(space + 1, line.size())));
  if (line.substr(0, space) == kGossipKeyWord && key.ok() && key->size() == kGossipKeyBytes) return *key;
  return error(Code::Corrupt, "{} holds no key that this release knows; restore it, or run 'meshctl leave' and join again",
               gossip_key_path());
}

Result<NodeIdentity> NodeFiles::read() const {
  MESH_TRY_STATUS(check_folder(data_dir_));
  NodeIdentity node;
  MESH_TRY(record, read_record());
  MESH_TRY(joined, state());
  if (joined != JoinState::Joined)
    return error(Code::Precondition, "{}: the join to cluster {} was not finished; run 'meshctl join' again", data_dir_,
                 record.cluster_id);
  MESH_TRY(key, read_key());
  MESH_TRY(gossip_key, read_gossip_key());
  MESH_TRY(chain, read_public(certificate_path()));
  MESH_TRY(roots, read_public(roots_path()));
  auto identity = net::TlsIdentity::from_pem(chain, key).context("while reading {} and {}", certificate_path(), key_path());
  if (!identity.ok()) return useless(identity.error(), remedy());
  auto trust = net::TrustBundle::from_pem({roots}).context("while reading {}", roots_path());
  if (!trust.ok()) return useless(trust.error(), remedy());
  MESH_TRY_STATUS(check_certificate((*identity)->leaf(), record, certificate_path()));
  node.record = std::move(record);
  node.key_pem = std::move(key);
  node.gossip_key = std::move(gossip_key);
  node.identity = std::move(*identity);
  node.trust = std::move(*trust);
  return node;
}

// Never lightly: what a server of the cluster has promised the others lies beside node.json.
std::string NodeFiles::remedy() const {
  const auto server = exists(data_dir_ + "/server.json");
  if (server.ok() && !*server)
    return fmt::format("restore it from a backup of this host, or take the host out of the mesh from another one ('meshctl cluster "
                       "remove NAME'), remove {} and join again", data_dir_);
  return fmt::format("restore it from a backup of this host; {} holds a server's state: remove that only when other servers run "
                     "and one of them has taken this one out ('meshctl cluster remove NAME')", data_dir_);
}

Status NodeFiles::begin(const NodeRecord& record, const std::string& key_pem) const {
  MESH_TRY_STATUS(make_dirs(data_dir_));
  MESH_TRY_STATUS(check_folder(data_dir_));
  MESH_TRY_STATUS(write_file_atomic(key_path(), key_pem, {.mode = kPrivateMode}));
  return write_record(record);
}

Status NodeFiles::write_gossip_key(ByteView key) const {
  if (key.size() != kGossipKeyBytes)
    return error(Code::Invalid, "a gossip key of {} bytes; it must have {}", key.size(), kGossipKeyBytes);
  return write_file_atomic(gossip_key_path(), fmt::format("{} {}\n", kGossipKeyWord, base64url_encode(key)),
                           {.mode = kPrivateMode});
}

Status NodeFiles::finish(const NodeRecord& record, const std::string& chain_pem,
                         const std::vector<model::CaRoot>& roots) const {
  MESH_TRY_STATUS(write_roots(roots));
  MESH_TRY_STATUS(write_record(record));
  return write_certificate(chain_pem);
}

Status NodeFiles::write_record(const NodeRecord& record) const {
  return write_file_atomic(record_path(), to_json(record) + "\n", {.mode = kPublicMode});
}

Status NodeFiles::write_certificate(const std::string& chain_pem) const {
  return write_file_atomic(certificate_path(), chain_pem, {.mode = kPublicMode});
}

Status NodeFiles::write_roots(const std::vector<model::CaRoot>& roots) const {
  return write_file_atomic(roots_path(), pem_of(roots), {.mode = kPublicMode});
}

Status NodeFiles::remove_all() const {
  const std::array paths{certificate_path(), service_folder(), data_dir_ + "/cache", data_dir_ + "/services",
                         roots_path(), gossip_key_path(), key_path(), record_path()};
  for (const std::string& path : paths) {
    MESH_TRY_STATUS(remove_tree(path));
    MESH_TRY_STATUS(remove_tree(path + ".tmp"));
  }
  return sync_dir(data_dir_);
}

}  // namespace mesh::agent
