// Certificates on disk, checked as they are read and written. Blocking; any thread.
#pragma once

#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "net/tls/identity.h"

namespace mesh::agent {

struct IdentityFile {
  std::string path;
  std::string uri;       // that the certificate must carry, and no other
  bool with_key = true;  // key and chain in one file with mode 0600; else the chain alone
};

struct NewIdentity {
  std::string chain_pem;
  std::string key_pem;
  std::vector<std::string> root_pems;  // that the chain must lead to
};

// Checks that the chain fits the key, carries the name and leads to a root, then replaces the file. The clock of this host
// is not asked. Errors: those of net/tls/certificate.h, Precondition (another name), Io.
[[nodiscard]] Result<std::shared_ptr<const net::TlsIdentity>> write_identity(const IdentityFile& file,
                                                                             const NewIdentity& made);
// REQUIRES with_key. NotFound; Precondition: of another name, readable by others; Unauthenticated: expired at `now`, or of
// an authority that is not trusted; Corrupt.
[[nodiscard]] Result<std::shared_ptr<const net::TlsIdentity>> read_identity(const IdentityFile& file,
                                                                            const net::TrustBundle& trust, WallTime now);

// Removes the files in the folder whose name is not one of `keep` and ".pem".
[[nodiscard]] Status remove_other_identities(const std::string& folder, const std::set<std::string>& keep);

}  // namespace mesh::agent
