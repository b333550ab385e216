// A real certificate authority and the files of a joined node, for tests.
#pragma once

#include <string>

#include "agent/identity/node_files.h"
#include "base/clock.h"
#include "net/crypto.h"
#include "net/tls/certificate.h"
#include "tests/test.h"

namespace mesh::agent {

inline constexpr std::string_view kClusterId = "c0000000-0000-4000-8000-000000000000";
inline constexpr std::string_view kNodeUuid = "11111111-1111-4111-8111-111111111111";

inline NodeRecord node_record() {
  NodeRecord record;
  record.version = kNodeRecordVersion;
  record.node_id = kNodeUuid;
  record.name = "host-a";
  record.cluster_id = kClusterId;
  record.datacenter = "dc1";
  record.domain = "mesh";
  record.servers = {"10.0.0.1:8300"};
  return record;
}

inline std::string service_uri(const NodeRecord& record, std::string service) {
  model::SpiffeId id;
  id.kind = model::SpiffeId::Kind::Service;
  id.trust_domain = trust_domain_of(record);
  id.datacenter = record.datacenter;
  id.name = std::move(service);
  return id.uri();
}

class Authority {
 public:
  // now: by the servers' clock.
  explicit Authority(WallTime now = wall_now()) : now_(now) {
    auto made = net::Signer::make_root({.common_name = "Test CA",
                                        .trust_domain = trust_domain_of(node_record()),
                                        .validity = {now - hours(1), now + hours(24 * 365)}});
    REQUIRE(made.ok());
    root_.certificate = made->certificate_pem;
    root_.active = true;
    auto signer = net::Signer::from_pem(made->certificate_pem, made->key_pem);
    REQUIRE(signer.ok());
    signer_ = std::make_unique<net::Signer>(std::move(*signer));
    root_.id = to_hex(signer_->root().key_hash);
  }

  // Seven days, backdated ten minutes, as servers do it.
  [[nodiscard]] std::string sign(ByteView csr, const std::string& uri, Duration life = hours(7 * 24),
                                 std::vector<std::string> dns_names = {}) {
    const auto request = net::read_csr(csr);
    REQUIRE(request.ok());
    auto chain = signer_->sign_leaf({.public_key = request->public_key,
                                     .uri = uri,
                                     .dns_names = std::move(dns_names),
                                     .serial = Bytes(1, static_cast<char>(++serial_)),
                                     .validity = {now_ - minutes(10), now_ + life}});
    REQUIRE(chain.ok());
    return *chain;
  }
  [[nodiscard]] std::string sign_key(const std::string& key_pem, const std::string& uri, Duration life = hours(7 * 24)) {
    const auto csr = net::make_csr(key_pem);
    REQUIRE(csr.ok());
    return sign(*csr, uri, life);
  }

  [[nodiscard]] std::string sign_named(const std::string& key_pem, const std::string& uri, std::vector<std::string> dns_names) {
    const auto csr = net::make_csr(key_pem);
    REQUIRE(csr.ok());
    return sign(*csr, uri, hours(7 * 24), std::move(dns_names));
  }

  [[nodiscard]] const model::CaRoot& root() const { return root_; }
  [[nodiscard]] const Bytes& key_hash() const { return signer_->root().key_hash; }

 private:
  WallTime now_;
  model::CaRoot root_;
  std::unique_ptr<net::Signer> signer_;
  int serial_ = 0;
};

inline const Bytes kGossipKey(kGossipKeyBytes, 'g');

// Puts a joined node into the directory.
inline NodeFiles joined_node(const std::string& data_dir, Authority& authority, Duration life = hours(7 * 24)) {
  NodeFiles files(data_dir);
  const NodeRecord record = node_record();
  const std::string key = net::make_key_pem();
  REQUIRE(files.begin(record, key).ok());
  REQUIRE(files.write_gossip_key(kGossipKey).ok());
  REQUIRE(files.finish(record, authority.sign_key(key, node_spiffe_id(record).uri(), life), {authority.root()}).ok());
  return files;
}

}  // namespace mesh::agent
