// Certificates and requests as a peer sends them. The first byte chooses: 0 a certificate in DER, 1 a chain in PEM, 2 a
// request. What is accepted stays within its bounds and holds only text that may be shown.
#include <cstdint>

#include "base/check.h"
#include "net/crypto.h"
#include "net/tls/certificate.h"

namespace {

using namespace mesh;
using namespace mesh::net;

void check_text(ByteView text) {
  for (const char c : text) CHECK(c >= ' ' && c <= '~');
}

void check(const CertificateInfo& info) {
  CHECK(info.uris.size() + info.dns_names.size() <= kCertificateNamesMax);
  for (const std::string& name : info.uris) check_text(name);
  for (const std::string& name : info.dns_names) check_text(name);
  check_text(info.subject);
  check_text(info.issuer);
  check_text(info.serial);
  CHECK(info.key_hash.size() == kSha256Bytes);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const ByteView input = ByteView(reinterpret_cast<const char*>(data), size).substr(1);
  if (data[0] == 0) {
    if (auto read = read_certificate(input); read.ok()) check(*read);
  } else if (data[0] == 1) {
    auto read = read_certificates(input);
    if (!read.ok()) return 0;
    CHECK(!read->empty() && read->size() <= kCertificateChainMax);
    for (const CertificateInfo& info : *read) check(info);
  } else {
    if (auto read = read_csr(input); read.ok()) CHECK(sha256(read->public_key) == read->key_hash);
  }
  return 0;
}
