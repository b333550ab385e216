// What a joined host keeps in its data directory: which node of which cluster it is, its key, its certificate, the
// trusted roots. docs/formats/agent-files.md is the specification.
//
// Blocking; one user of a directory at a time (the daemon's lock). Errors name the file and what to try: Precondition
// (not joined, a join that was not finished, permissions), Corrupt (damaged, parts that do not fit each other), Unsupported
// (a later layout), Io.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/message.h"
#include "base/result.h"
#include "model/authority.h"
#include "model/spiffe.h"
#include "model/token.h"
#include "net/tls/identity.h"

namespace mesh::agent {

inline constexpr std::uint32_t kNodeRecordVersion = 1;
inline constexpr std::size_t kGossipKeyBytes = 32;
inline constexpr std::size_t kIdentityFileBytesMax = std::size_t{256} << 10;

#define MESH_NODE_RECORD_FIELDS(F)                                                                      \
  F(1, std::uint32_t, version, "version", "of this file's layout")                                      \
  F(2, std::string, node_id, "node_id", "UUID, bound to the node's key")                                \
  F(3, std::string, name, "name", "of the node when it joined")                                         \
  F(4, std::string, cluster_id, "cluster_id", "UUID")                                                   \
  F(5, std::string, datacenter, "datacenter", "")                                                       \
  F(6, std::string, domain, "domain", "")                                                               \
  F(7, model::JoinKind, kind, "kind", "")                                                               \
  F(8, ListOf<std::string>, servers, "servers", "ADDRESS:PORT of their RPC")                            \
  F(9, std::string, ca_key_hash, "ca_key_hash", "of the authority that the join token named, SHA-256 in hex") \
  F(10, ListOf<std::string>, services, "services", "name patterns that the node may run")
struct NodeRecord {
  MESH_MESSAGE(NodeRecord, MESH_NODE_RECORD_FIELDS)
};

// The name that the node's certificate must carry.
[[nodiscard]] model::SpiffeId node_spiffe_id(const NodeRecord& record);
[[nodiscard]] std::string trust_domain_of(const NodeRecord& record);

struct NodeIdentity {
  NodeRecord record;
  std::string key_pem;
  Bytes gossip_key;                                  // of the pool, kGossipKeyBytes
  std::shared_ptr<const net::TlsIdentity> identity;  // may have expired
  std::shared_ptr<const net::TrustBundle> trust;
};

enum class JoinState : std::uint8_t { None, Begun, Joined };

class NodeFiles {
 public:
  explicit NodeFiles(std::string data_dir) : data_dir_(std::move(data_dir)) {}

  [[nodiscard]] const std::string& data_dir() const { return data_dir_; }
  [[nodiscard]] std::string record_path() const { return data_dir_ + "/node.json"; }
  [[nodiscard]] std::string key_path() const { return data_dir_ + "/node.key"; }
  [[nodiscard]] std::string certificate_path() const { return data_dir_ + "/node.crt"; }
  [[nodiscard]] std::string roots_path() const { return data_dir_ + "/roots.pem"; }
  [[nodiscard]] std::string service_folder() const { return data_dir_ + "/certs"; }
  [[nodiscard]] std::string gossip_key_path() const { return data_dir_ + "/gossip.key"; }
  // REQUIRES a mesh name (a DNS label).
  [[nodiscard]] std::string service_path(std::string_view service) const;

  [[nodiscard]] Result<JoinState> state() const;
  // REQUIRES state() is not None; else Precondition.
  [[nodiscard]] Result<NodeRecord> read_record() const;
  // Also checks who may read it.
  [[nodiscard]] Result<std::string> read_key() const;
  // The same for the pool's key.
  [[nodiscard]] Result<Bytes> read_gossip_key() const;
  // Everything, each part checked against the others.
  [[nodiscard]] Result<NodeIdentity> read() const;

  // The steps of a join, in this order. write_gossip_key: Invalid, unless it has kGossipKeyBytes.
  [[nodiscard]] Status begin(const NodeRecord& record, const std::string& key_pem) const;
  [[nodiscard]] Status write_gossip_key(ByteView key) const;
  [[nodiscard]] Status finish(const NodeRecord& record, const std::string& chain_pem,
                              const std::vector<model::CaRoot>& roots) const;

  [[nodiscard]] Status write_record(const NodeRecord& record) const;
  [[nodiscard]] Status write_certificate(const std::string& chain_pem) const;
  [[nodiscard]] Status write_roots(const std::vector<model::CaRoot>& roots) const;

  // What to try when a file of this node is of no use: a half sentence, which depends on what else the directory holds.
  [[nodiscard]] std::string remedy() const;

  // Leaves no trace of the agent in the directory; the directory itself and a server's files stay.
  [[nodiscard]] Status remove_all() const;

 private:
  std::string data_dir_;
};

// Refuses a file that others than its owner may read, or that belongs to neither this process's user nor root.
[[nodiscard]] Status check_private(const std::string& path);
// REQUIRES a private file; its content.
[[nodiscard]] Result<std::string> read_private(const std::string& path);

}  // namespace mesh::agent
