#include "net/tls/tls_objects.h"

#include <mbedtls/oid.h>

#include <algorithm>
#include <array>
#include <chrono>

#include "base/time_text.h"
#include "net/crypto.h"

namespace mesh::net {

const mbedtls_x509_crt_profile kCertificateProfile{
    .allowed_mds = MBEDTLS_X509_ID_FLAG(MBEDTLS_MD_SHA256),
    .allowed_pks = MBEDTLS_X509_ID_FLAG(MBEDTLS_PK_ECKEY) | MBEDTLS_X509_ID_FLAG(MBEDTLS_PK_ECDSA),
    .allowed_curves = MBEDTLS_X509_ID_FLAG(MBEDTLS_ECP_DP_SECP256R1),
    .rsa_min_bitlen = 0xffff,
};

namespace {

constexpr unsigned char kTagDnsName = MBEDTLS_ASN1_CONTEXT_SPECIFIC | MBEDTLS_X509_SAN_DNS_NAME;
constexpr unsigned char kTagUri = MBEDTLS_ASN1_CONTEXT_SPECIFIC | MBEDTLS_X509_SAN_UNIFORM_RESOURCE_IDENTIFIER;

ByteView view(const mbedtls_x509_buf& buffer) {
  return {reinterpret_cast<const char*>(buffer.p), buffer.len};
}

std::string serial_text(const mbedtls_x509_buf& serial) {
  std::string text = to_hex(view(serial));
  const std::size_t first = text.find_first_not_of('0');
  return first == std::string::npos ? "0" : text.substr(first);
}

std::string name_text(const mbedtls_x509_name& name) {
  std::array<char, 512> text{};
  if (mbedtls_x509_dn_gets(text.data(), text.size(), &name) < 0) return "(too long)";
  std::string result(text.data());
  for (char& c : result)
    if (c < ' ' || c > '~') c = '?';
  return result;
}

Status add_name(ByteView name, std::vector<std::string>& to) {
  if (!is_name_text(name)) return error(Code::Invalid, "a certificate has a name with bytes that no name may have");
  if (name.size() > kCertificateNameBytesMax)
    return error(Code::Invalid, "a certificate has a name of {} bytes, the limit is {}", name.size(),
                 kCertificateNameBytesMax);
  to.emplace_back(name);
  return {};
}

Status read_names(const mbedtls_x509_crt& certificate, CertificateInfo& info) {
  if ((certificate.ext_types & MBEDTLS_X509_EXT_SUBJECT_ALT_NAME) == 0) return {};
  std::size_t count = 0;
  for (const mbedtls_x509_sequence* name = &certificate.subject_alt_names; name != nullptr; name = name->next) {
    if (++count > kCertificateNamesMax)
      return error(Code::Invalid, "a certificate has more than {} names", kCertificateNamesMax);
    const auto tag = static_cast<unsigned char>(name->buf.tag);
    if (tag == kTagUri) MESH_TRY_STATUS(add_name(view(name->buf), info.uris));
    if (tag == kTagDnsName) MESH_TRY_STATUS(add_name(view(name->buf), info.dns_names));
  }
  return {};
}

}  // namespace

bool is_name_text(ByteView text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c <= '~'; });
}

WallTime to_wall_time(const mbedtls_x509_time& time) {
  using namespace std::chrono;
  if (time.year >= 2262) return WallTime::max();  // beyond what nanoseconds in 64 bits can say
  if (time.year < 1970) return WallTime{};
  const sys_days day = year(time.year) / static_cast<unsigned>(time.mon) / static_cast<unsigned>(time.day);
  return WallTime(day.time_since_epoch() + std::chrono::hours(time.hour) + std::chrono::minutes(time.min) +
                  std::chrono::seconds(time.sec));
}

Status parse_certificates(ByteView pem, X509List& into) {
  if (pem.size() > kCertificatePemBytesMax)
    return error(Code::Invalid, "certificates of {} bytes, the limit is {}", pem.size(), kCertificatePemBytesMax);
  const Bytes text(pem);  // mbedTLS wants the zero behind it to be counted
  const int code = mbedtls_x509_crt_parse(into.get(), mbedtls_bytes(text), text.size() + 1);
  if (code < 0) return mbedtls_error(Code::Invalid, "read certificates in PEM", code);
  if (code > 0) return error(Code::Invalid, "{} of the certificates in a PEM text cannot be read", code);
  std::size_t count = 0;
  for (const mbedtls_x509_crt* one = into.get(); one != nullptr; one = one->next) {
    if (++count > kCertificateChainMax)
      return error(Code::Invalid, "more than {} certificates in one chain or list", kCertificateChainMax);
    if (!is_p256(one->pk)) return error(Code::Unsupported, "a certificate's key is not of the curve P-256");
  }
  return {};
}

Bytes key_hash_of_certificate(const mbedtls_x509_crt& certificate) { return sha256(view(certificate.pk_raw)); }

Result<CertificateInfo> describe_certificate(const mbedtls_x509_crt& certificate) {
  CertificateInfo info;
  MESH_TRY_STATUS(read_names(certificate, info));
  info.serial = serial_text(certificate.serial);
  info.not_before = to_wall_time(certificate.valid_from);
  info.not_after = to_wall_time(certificate.valid_to);
  info.key_hash = key_hash_of_certificate(certificate);
  info.subject = name_text(certificate.subject);
  info.issuer = name_text(certificate.issuer);
  info.authority = certificate.ca_istrue != 0;
  return info;
}

bool same_key(const mbedtls_pk_context& a, const mbedtls_pk_context& b) {
  return is_p256(a) && is_p256(b) && public_key_der(a) == public_key_der(b);
}

std::string describe_verdict(std::uint32_t flags, const mbedtls_x509_crt& leaf) {
  if ((flags & MBEDTLS_X509_BADCERT_NOT_TRUSTED) != 0)
    return fmt::format("its issuer is not trusted ({})", name_text(leaf.issuer));
  if ((flags & MBEDTLS_X509_BADCERT_EXPIRED) != 0)
    return fmt::format("it, or one above it, has expired (not after {})", format_time(to_wall_time(leaf.valid_to)));
  if ((flags & MBEDTLS_X509_BADCERT_FUTURE) != 0)
    return fmt::format("it, or one above it, is not valid yet (not before {}): are the clocks right?",
                       format_time(to_wall_time(leaf.valid_from)));
  if ((flags & MBEDTLS_X509_BADCERT_CN_MISMATCH) != 0) return "it is for another name";
  constexpr std::uint32_t kUsage =
      MBEDTLS_X509_BADCERT_KEY_USAGE | MBEDTLS_X509_BADCERT_EXT_KEY_USAGE | MBEDTLS_X509_BADCERT_NS_CERT_TYPE;
  if ((flags & kUsage) != 0) return "it is not for this use (client or server)";
  constexpr std::uint32_t kAlgorithm =
      MBEDTLS_X509_BADCERT_BAD_MD | MBEDTLS_X509_BADCERT_BAD_PK | MBEDTLS_X509_BADCERT_BAD_KEY;
  if ((flags & kAlgorithm) != 0) return "its signature or key is not ECDSA with SHA-256 on P-256";
  return fmt::format("it was not accepted (0x{:x})", flags);
}

namespace {

// mbedTLS judges by the clock of the machine; replaced by the time in question.
int judge_at(void* now, mbedtls_x509_crt* certificate, int, std::uint32_t* flags) {
  const WallTime time = *static_cast<const WallTime*>(now);
  *flags &= ~static_cast<std::uint32_t>(MBEDTLS_X509_BADCERT_EXPIRED | MBEDTLS_X509_BADCERT_FUTURE);
  if (time < to_wall_time(certificate->valid_from)) *flags |= MBEDTLS_X509_BADCERT_FUTURE;
  // not_after is the last valid second: all of it.
  const WallTime last = to_wall_time(certificate->valid_to);
  if (last != WallTime::max() && time >= last + seconds(1)) *flags |= MBEDTLS_X509_BADCERT_EXPIRED;
  return 0;
}

}  // namespace

Result<std::uint32_t> check_chain(const mbedtls_x509_crt& chain, const X509List& anchors, WallTime now) {
  std::uint32_t flags = 0;
  const int code =
      mbedtls_x509_crt_verify_with_profile(const_cast<mbedtls_x509_crt*>(&chain), anchors.get(), nullptr,
                                           &kCertificateProfile, nullptr, &flags, judge_at, &now);
  if (code == 0) return std::uint32_t{0};
  if (code == MBEDTLS_ERR_X509_CERT_VERIFY_FAILED && flags != 0) return flags;
  return mbedtls_error(Code::Unauthenticated, "check a chain of certificates", code);
}

}  // namespace mesh::net
