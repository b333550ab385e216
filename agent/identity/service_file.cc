#include "agent/identity/service_file.h"

#include <filesystem>

#include "agent/identity/node_files.h"
#include "base/file.h"

namespace mesh::agent {
namespace {

constexpr std::string_view kCertificateHead = "-----BEGIN CERTIFICATE-----";
constexpr std::string_view kFileEnd = ".pem";
constexpr Duration kValidForSure = minutes(1);  // behind a certificate's begin

Status check_name(const net::TlsIdentity& identity, const std::string& uri) {
  const auto& uris = identity.leaf().uris;
  if (uris.size() == 1 && uris[0] == uri) return {};
  return error(Code::Precondition, "the certificate is of '{}', not of '{}'", uris.empty() ? std::string() : uris[0], uri);
}

}  // namespace

Result<std::shared_ptr<const net::TlsIdentity>> write_identity(const IdentityFile& file, const NewIdentity& made) {
  MESH_TRY(identity, net::TlsIdentity::from_pem(made.chain_pem, made.key_pem).context("while reading the server's answer"));
  MESH_TRY_STATUS(check_name(*identity, file.uri));
  MESH_TRY(roots, net::TrustBundle::from_pem(made.root_pems).context("while reading the server's roots"));
  MESH_TRY(leaf, roots->verify(made.chain_pem, identity->leaf().not_before + kValidForSure));
  MESH_TRY_STATUS(make_dirs(file.path.substr(0, file.path.rfind('/'))));
  MESH_TRY_STATUS(write_file_atomic(file.path, file.with_key ? made.key_pem + made.chain_pem : made.chain_pem,
                                    {.mode = static_cast<mode_t>(file.with_key ? 0600 : 0640)}));
  return identity;
}

Result<std::shared_ptr<const net::TlsIdentity>> read_identity(const IdentityFile& file, const net::TrustBundle& trust,
                                                              WallTime now) {
  MESH_TRY(pem, read_private(file.path));
  const std::size_t chain = pem.find(kCertificateHead);
  if (chain == std::string::npos) return error(Code::Corrupt, "{} holds no certificate", file.path);
  MESH_TRY(identity, net::TlsIdentity::from_pem(pem.substr(chain), pem.substr(0, chain)).context("while reading {}", file.path));
  MESH_TRY_STATUS(check_name(*identity, file.uri).context("while reading {}", file.path));
  MESH_TRY(leaf, trust.verify(pem.substr(chain), now).context("while reading {}", file.path));
  return identity;
}

Status remove_other_identities(const std::string& folder, const std::set<std::string>& keep) {
  std::error_code cause;
  std::vector<std::string> others;
  for (std::filesystem::directory_iterator it(folder, cause), end; !cause && it != end; it.increment(cause)) {
    const std::string name = it->path().filename().string();
    const bool kept = name.ends_with(kFileEnd) && keep.contains(name.substr(0, name.size() - kFileEnd.size()));
    if (!kept) others.push_back(it->path().string());
  }
  if (cause && cause != std::errc::no_such_file_or_directory) return io_error("read folder " + folder, cause.value());
  for (const std::string& path : others) MESH_TRY_STATUS(remove_tree(path));
  return {};
}

}  // namespace mesh::agent
