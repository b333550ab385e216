#include "net/tls/certificate.h"

#include <mbedtls/md.h>
#include <mbedtls/x509_csr.h>

#include <array>

#include "net/crypto.h"
#include "net/tls/tls_objects.h"

namespace mesh::net {

namespace {

constexpr std::size_t kCsrBytesMax = 4096;

class X509Csr {
 public:
  X509Csr() { mbedtls_x509_csr_init(&raw_); }
  ~X509Csr() { mbedtls_x509_csr_free(&raw_); }
  X509Csr(const X509Csr&) = delete;
  X509Csr& operator=(const X509Csr&) = delete;
  [[nodiscard]] mbedtls_x509_csr* get() { return &raw_; }

 private:
  mbedtls_x509_csr raw_;
};

class X509CsrWriter {
 public:
  X509CsrWriter() { mbedtls_x509write_csr_init(&raw_); }
  ~X509CsrWriter() { mbedtls_x509write_csr_free(&raw_); }
  X509CsrWriter(const X509CsrWriter&) = delete;
  X509CsrWriter& operator=(const X509CsrWriter&) = delete;
  [[nodiscard]] mbedtls_x509write_csr* get() { return &raw_; }

 private:
  mbedtls_x509write_csr raw_;
};

}  // namespace

Result<CertificateInfo> read_certificate(ByteView der) {
  if (der.size() > kCertificatePemBytesMax)
    return error(Code::Invalid, "a certificate of {} bytes, the limit is {}", der.size(), kCertificatePemBytesMax);
  X509List list;
  const int code = mbedtls_x509_crt_parse_der(list.get(), mbedtls_bytes(der), der.size());
  if (code != 0) return mbedtls_error(Code::Invalid, "read a certificate", code);
  if (!is_p256(list.get()->pk)) return error(Code::Unsupported, "a certificate's key is not of the curve P-256");
  return describe_certificate(*list.get());
}

Result<std::vector<CertificateInfo>> read_certificates(ByteView pem) {
  X509List list;
  MESH_TRY_STATUS(parse_certificates(pem, list));
  std::vector<CertificateInfo> result;
  for (const mbedtls_x509_crt* one = list.get(); one != nullptr; one = one->next) {
    MESH_TRY(info, describe_certificate(*one));
    result.push_back(std::move(info));
  }
  return result;
}

Result<Bytes> make_csr(ByteView key_pem) {
  MESH_TRY(key, parse_private_key(key_pem));
  X509CsrWriter writer;
  mbedtls_x509write_csr_set_md_alg(writer.get(), MBEDTLS_MD_SHA256);
  mbedtls_x509write_csr_set_key(writer.get(), key->get());
  // mbedTLS 2.28 does not read a request with an empty subject. Nobody looks at this one.
  const int named = mbedtls_x509write_csr_set_subject_name(writer.get(), "CN=mesh");
  if (named != 0) return mbedtls_error(Code::Internal, "name a certificate request", named);
  std::array<unsigned char, kCsrBytesMax> buffer;
  const int size =
      mbedtls_x509write_csr_der(writer.get(), buffer.data(), buffer.size(), mbedtls_random, nullptr);
  if (size <= 0) return mbedtls_error(Code::Internal, "write a certificate request", size);
  const char* end = reinterpret_cast<const char*>(buffer.data()) + buffer.size();
  return Bytes(end - size, static_cast<std::size_t>(size));
}

Result<CsrInfo> read_csr(ByteView der) {
  if (der.size() > kCsrBytesMax)
    return error(Code::Invalid, "a certificate request of {} bytes, the limit is {}", der.size(), kCsrBytesMax);
  X509Csr csr;
  int code = mbedtls_x509_csr_parse_der(csr.get(), mbedtls_bytes(der), der.size());
  if (code != 0) return mbedtls_error(Code::Invalid, "read a certificate request", code);
  const mbedtls_x509_csr& raw = *csr.get();
  if (!is_p256(raw.pk)) return error(Code::Unsupported, "the key of a certificate request is not of the curve P-256");
  if (raw.sig_md != MBEDTLS_MD_SHA256 || raw.sig_pk != MBEDTLS_PK_ECDSA)
    return error(Code::Unsupported, "a certificate request is not signed with ECDSA and SHA-256");
  const Bytes hash = sha256(ByteView(reinterpret_cast<const char*>(raw.cri.p), raw.cri.len));
  code = mbedtls_pk_verify(&csr.get()->pk, MBEDTLS_MD_SHA256, mbedtls_bytes(hash), hash.size(), raw.sig.p, raw.sig.len);
  if (code != 0) return mbedtls_error(Code::Invalid, "check the signature of a certificate request", code);
  CsrInfo info;
  info.public_key = public_key_der(raw.pk);
  info.key_hash = sha256(info.public_key);
  return info;
}

}  // namespace mesh::net
