#include "net/tls/identity.h"

#include "net/tls/tls_objects.h"

namespace mesh::net {

// ---- TlsIdentity ----

TlsIdentity::TlsIdentity(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}
TlsIdentity::~TlsIdentity() = default;

Result<std::shared_ptr<const TlsIdentity>> TlsIdentity::from_pem(ByteView chain_pem, ByteView key_pem) {
  auto parts = std::make_unique<Parts>();
  MESH_TRY_STATUS(parse_certificates(chain_pem, parts->chain));
  MESH_TRY(key, parse_private_key(key_pem));
  if (!same_key(parts->chain.get()->pk, *key->get()))
    return error(Code::Precondition, "the key is not that of the first certificate");
  MESH_TRY(leaf, describe_certificate(*parts->chain.get()));
  prepare_for_sharing(*key->get(), true);
  parts->key = std::move(key);
  std::shared_ptr<TlsIdentity> identity(new TlsIdentity(std::move(parts)));
  identity->leaf_ = std::move(leaf);
  return std::shared_ptr<const TlsIdentity>(std::move(identity));
}

// ---- TrustBundle ----

TrustBundle::TrustBundle(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}
TrustBundle::~TrustBundle() = default;

Result<std::shared_ptr<const TrustBundle>> TrustBundle::from_pem(const std::vector<std::string>& pems) {
  auto parts = std::make_unique<Parts>();
  std::vector<CertificateInfo> roots;
  for (const std::string& pem : pems) MESH_TRY_STATUS(parse_certificates(pem, parts->roots));
  if (pems.empty()) return error(Code::Invalid, "a trust bundle without a root");
  for (mbedtls_x509_crt* root = parts->roots.get(); root != nullptr; root = root->next) {
    MESH_TRY(info, describe_certificate(*root));
    if (!info.authority) return error(Code::Precondition, "'{}' may not sign certificates: it is no root", info.subject);
    prepare_for_sharing(root->pk, false);
    roots.push_back(std::move(info));
  }
  std::shared_ptr<TrustBundle> bundle(new TrustBundle(std::move(parts)));
  bundle->roots_ = std::move(roots);
  return std::shared_ptr<const TrustBundle>(std::move(bundle));
}

Result<CertificateInfo> TrustBundle::verify(ByteView chain_pem, WallTime now) const {
  X509List chain;
  MESH_TRY_STATUS(parse_certificates(chain_pem, chain));
  MESH_TRY(flags, check_chain(*chain.get(), parts_->roots, now));
  if (flags != 0)
    return error(Code::Unauthenticated, "a certificate is refused: {}", describe_verdict(flags, *chain.get()));
  return describe_certificate(*chain.get());
}

}  // namespace mesh::net
