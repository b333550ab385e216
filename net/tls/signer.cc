#include <mbedtls/oid.h>
#include <mbedtls/x509_crt.h>

#include <array>
#include <chrono>

#include "net/crypto.h"
#include "net/tls/certificate.h"
#include "net/tls/tls_objects.h"

namespace mesh::net {

struct Signer::Parts {
  X509List root;
  std::unique_ptr<PkKey> key;
  CertificateInfo info;
};

namespace {

constexpr std::size_t kNamesBytesMax = 8192;         // of one leaf, encoded
constexpr std::size_t kCertificateTextBytesMax = 24 * 1024;
constexpr std::size_t kCommonNameBytesMax = 40;
constexpr std::size_t kKeyHashDigits = 8;            // of the key's hash, in a root's name
constexpr std::size_t kIssuerPartsMax = 16;

// ---- DER, as far as mbedTLS 2.28 has no writer ----

void append_der(Bytes& out, unsigned char tag, ByteView content) {
  CHECK(content.size() < 0x10000);
  const auto size = static_cast<unsigned>(content.size());
  out += static_cast<char>(tag);
  if (size >= 0x100) {
    out += '\x82';
    out += static_cast<char>(size >> 8);
  } else if (size >= 0x80) {
    out += '\x81';
  }
  out += static_cast<char>(size & 0xff);
  out += content;
}

// RFC 5280, 4.2.1.6: GeneralNames ::= SEQUENCE OF; uniformResourceIdentifier [6], dNSName [2], both IA5String, implicit.
Bytes subject_alt_name(ByteView uri, const std::vector<std::string>& dns_names) {
  Bytes names;
  if (!uri.empty()) append_der(names, 0x86, uri);
  for (const std::string& name : dns_names) append_der(names, 0x82, name);
  Bytes out;
  append_der(out, 0x30, names);
  return out;
}

// RFC 5280, 4.2.1.12: a SEQUENCE of serverAuth (1.3.6.1.5.5.7.3.1) and clientAuth (...3.2).
constexpr char kServerAndClient[] = "\x30\x14\x06\x08\x2b\x06\x01\x05\x05\x07\x03\x01\x06\x08\x2b\x06\x01\x05\x05\x07\x03\x02";

Status check_text(std::string_view what, ByteView text) {
  if (is_name_text(text)) return {};
  if (text.empty()) return error(Code::Invalid, "{} is empty", what);
  return error(Code::Invalid, "{} holds a byte that is not printable ASCII", what);
}

// YYYYMMDDhhmmss, as mbedTLS takes it.
Result<std::string> validity_text(WallTime time) {
  using namespace std::chrono;
  const auto whole = floor<std::chrono::seconds>(sys_time<Duration>(time.time_since_epoch()));
  const auto day = floor<days>(whole);
  const year_month_day date(day);
  const hh_mm_ss clock(whole - day);
  const int year = static_cast<int>(date.year());
  if (year < 2000) return error(Code::Invalid, "a certificate cannot be valid in the year {}", year);
  return fmt::format("{:04}{:02}{:02}{:02}{:02}{:02}", year, static_cast<unsigned>(date.month()),
                     static_cast<unsigned>(date.day()), clock.hours().count(), clock.minutes().count(),
                     clock.seconds().count());
}

// ---- the writer ----

class CertificateWriter {
 public:
  CertificateWriter() {
    mbedtls_x509write_crt_init(&raw_);
    mbedtls_x509write_crt_set_md_alg(&raw_, MBEDTLS_MD_SHA256);
    mbedtls_x509write_crt_set_version(&raw_, MBEDTLS_X509_CRT_VERSION_3);
  }
  ~CertificateWriter() {
    if (borrowed_issuer_) raw_.issuer = nullptr;
    mbedtls_x509write_crt_free(&raw_);
  }
  CertificateWriter(const CertificateWriter&) = delete;
  CertificateWriter& operator=(const CertificateWriter&) = delete;

  mbedtls_x509write_cert* get() { return &raw_; }

  // The first failure is kept; what comes after it does nothing.
  template <class... Args>
  void set(int (*setter)(mbedtls_x509write_cert*, Args...), std::type_identity_t<Args>... args) {
    if (code_ == 0) code_ = setter(&raw_, args...);
  }
  void extension(ByteView oid, bool critical, ByteView value) {
    set(mbedtls_x509write_crt_set_extension, oid.data(), oid.size(), critical ? 1 : 0, mbedtls_bytes(value), value.size());
  }
  Status set_validity(const Validity& validity) {
    if (validity.not_before >= validity.not_after) return error(Code::Invalid, "a certificate ends before it begins");
    MESH_TRY(from, validity_text(validity.not_before));
    MESH_TRY(to, validity_text(validity.not_after));
    set(mbedtls_x509write_crt_set_validity, from.c_str(), to.c_str());
    return {};
  }
  Status set_serial(ByteView serial) {
    const bool good = !serial.empty() && serial.size() <= kSerialBytesMax && (serial[0] & 0x80) == 0 &&
                      serial.find_first_not_of('\0') != ByteView::npos;
    if (!good) return error(Code::Invalid, "a serial number has 1 to {} bytes and is above zero", kSerialBytesMax);
    mbedtls_mpi number;
    mbedtls_mpi_init(&number);
    if (code_ == 0) code_ = mbedtls_mpi_read_binary(&number, mbedtls_bytes(serial), serial.size());
    set(mbedtls_x509write_crt_set_serial, &number);
    mbedtls_mpi_free(&number);
    return {};
  }
  Status set_issuer(const mbedtls_x509_name& subject);

  Result<Bytes> pem() {
    if (code_ != 0) return mbedtls_error(Code::Internal, "prepare a certificate", code_);
    std::vector<unsigned char> buffer(kCertificateTextBytesMax);
    const int code = mbedtls_x509write_crt_pem(&raw_, buffer.data(), buffer.size(), mbedtls_random, nullptr);
    if (code != 0) return mbedtls_error(Code::Internal, "sign a certificate", code);
    return Bytes(reinterpret_cast<const char*>(buffer.data()));
  }

 private:
  mbedtls_x509write_cert raw_;
  std::array<mbedtls_asn1_named_data, kIssuerPartsMax> issuer_{};
  bool borrowed_issuer_ = false;
  int code_ = 0;
};

// The issuer's name as its certificate has it, byte for byte: mbedTLS keeps a name to write with the last part first.
Status CertificateWriter::set_issuer(const mbedtls_x509_name& subject) {
  mbedtls_asn1_named_data* head = nullptr;
  std::size_t count = 0;
  for (const mbedtls_x509_name* part = &subject; part != nullptr && part->oid.p != nullptr; part = part->next) {
    if (count == issuer_.size() || part->next_merged != 0)
      return error(Code::Unsupported, "the root's name has too many parts");
    issuer_[count] = *part;
    issuer_[count].next = head;
    head = &issuer_[count++];
  }
  if (head == nullptr) return error(Code::Unsupported, "the root has no name");
  raw_.issuer = head;
  borrowed_issuer_ = true;
  return {};
}

Status check_common_name(std::string_view name) {
  const bool sized = !name.empty() && name.size() <= kCommonNameBytesMax;
  constexpr std::string_view kAllowed = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 .-";
  if (!sized || name.find_first_not_of(kAllowed) != std::string_view::npos)
    return error(Code::Invalid, "the name of a root has 1 to {} letters, digits, spaces, dots or hyphens",
                 kCommonNameBytesMax);
  return {};
}

Status check_leaf(const LeafSpec& spec) {
  if (spec.uri.empty() && spec.dns_names.empty()) return error(Code::Invalid, "a leaf needs a name");
  if (!spec.uri.empty()) MESH_TRY_STATUS(check_text("the URI of a leaf", spec.uri));
  if (spec.uri.size() > kCertificateNameBytesMax) return error(Code::Invalid, "the URI of a leaf is too long");
  if (spec.dns_names.size() >= kCertificateNamesMax)
    return error(Code::Invalid, "a leaf of more than {} names", kCertificateNamesMax);
  std::size_t bytes = spec.uri.size();
  for (const std::string& name : spec.dns_names) {
    MESH_TRY_STATUS(check_text("a DNS name of a leaf", name));
    if (name.size() > kCertificateNameBytesMax) return error(Code::Invalid, "a DNS name of a leaf is too long");
    bytes += name.size() + 4;
  }
  if (bytes > kNamesBytesMax) return error(Code::Invalid, "the names of a leaf have more than {} bytes", kNamesBytesMax);
  return {};
}

ByteView oid(const char* text, std::size_t size) { return {text, size}; }

}  // namespace

#define MESH_OID(name) oid(name, MBEDTLS_OID_SIZE(name))

Result<Signer::Root> Signer::make_root(const RootSpec& spec) {
  MESH_TRY_STATUS(check_common_name(spec.common_name));
  MESH_TRY_STATUS(check_text("the trust domain", spec.trust_domain));
  if (spec.trust_domain.size() > kCertificateNameBytesMax / 2) return error(Code::Invalid, "the trust domain is too long");
  Root root;
  root.key_pem = make_key_pem();
  MESH_TRY(key, parse_private_key(root.key_pem));
  const std::string hash = to_hex(sha256(public_key_der(*key->get()))).substr(0, kKeyHashDigits);
  const std::string name = fmt::format("CN={} {}", spec.common_name, hash);
  Bytes serial = random_bytes(16);
  serial[0] = static_cast<char>((serial[0] & 0x3f) | 0x40);

  CertificateWriter writer;
  mbedtls_x509write_crt_set_subject_key(writer.get(), key->get());
  mbedtls_x509write_crt_set_issuer_key(writer.get(), key->get());
  writer.set(mbedtls_x509write_crt_set_subject_name, name.c_str());
  writer.set(mbedtls_x509write_crt_set_issuer_name, name.c_str());
  MESH_TRY_STATUS(writer.set_serial(serial));
  MESH_TRY_STATUS(writer.set_validity(spec.validity));
  // BasicConstraints ::= SEQUENCE { cA TRUE }
  writer.extension(MESH_OID(MBEDTLS_OID_BASIC_CONSTRAINTS), true, ByteView("\x30\x03\x01\x01\xff", 5));
  writer.set(mbedtls_x509write_crt_set_key_usage,
             static_cast<unsigned>(MBEDTLS_X509_KU_KEY_CERT_SIGN | MBEDTLS_X509_KU_CRL_SIGN));
  writer.set(mbedtls_x509write_crt_set_subject_key_identifier);
  writer.extension(MESH_OID(MBEDTLS_OID_SUBJECT_ALT_NAME), false, subject_alt_name("spiffe://" + spec.trust_domain, {}));
  MESH_TRY(pem, writer.pem());
  root.certificate_pem = std::move(pem);
  return root;
}

Signer::Signer(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}
Signer::Signer(Signer&&) noexcept = default;
Signer& Signer::operator=(Signer&&) noexcept = default;
Signer::~Signer() = default;

const CertificateInfo& Signer::root() const { return parts_->info; }

Result<Signer> Signer::from_pem(ByteView certificate_pem, ByteView key_pem) {
  auto parts = std::make_unique<Parts>();
  MESH_TRY_STATUS(parse_certificates(certificate_pem, parts->root));
  MESH_TRY(key, parse_private_key(key_pem));
  const mbedtls_x509_crt& root = *parts->root.get();
  if (!same_key(root.pk, *key->get())) return error(Code::Precondition, "the key is not that of the root certificate");
  if (root.ca_istrue == 0 || mbedtls_x509_crt_check_key_usage(&root, MBEDTLS_X509_KU_KEY_CERT_SIGN) != 0)
    return error(Code::Precondition, "the root certificate may not sign certificates");
  MESH_TRY(info, describe_certificate(root));
  prepare_for_sharing(*key->get(), true);
  parts->key = std::move(key);
  parts->info = std::move(info);
  return Signer(std::move(parts));
}

Result<Bytes> Signer::sign_leaf(const LeafSpec& spec) const {
  MESH_TRY_STATUS(check_leaf(spec));
  PkKey subject;
  const int code = mbedtls_pk_parse_public_key(subject.get(), mbedtls_bytes(spec.public_key), spec.public_key.size());
  if (code != 0) return mbedtls_error(Code::Invalid, "read the key of a leaf", code);
  if (!is_p256(*subject.get())) return error(Code::Unsupported, "the key of a leaf is not of the curve P-256");

  CertificateWriter writer;
  mbedtls_x509write_crt_set_subject_key(writer.get(), subject.get());
  mbedtls_x509write_crt_set_issuer_key(writer.get(), parts_->key->get());
  MESH_TRY_STATUS(writer.set_issuer(parts_->root.get()->subject));
  MESH_TRY_STATUS(writer.set_serial(spec.serial));
  MESH_TRY_STATUS(writer.set_validity(spec.validity));
  writer.extension(MESH_OID(MBEDTLS_OID_BASIC_CONSTRAINTS), true, ByteView("\x30\x00", 2));
  writer.set(mbedtls_x509write_crt_set_key_usage, static_cast<unsigned>(MBEDTLS_X509_KU_DIGITAL_SIGNATURE));
  writer.extension(MESH_OID(MBEDTLS_OID_EXTENDED_KEY_USAGE), false, ByteView(kServerAndClient, sizeof kServerAndClient - 1));
  writer.set(mbedtls_x509write_crt_set_subject_key_identifier);
  writer.set(mbedtls_x509write_crt_set_authority_key_identifier);
  // Critical, since the subject is empty (RFC 5280, 4.2.1.6).
  writer.extension(MESH_OID(MBEDTLS_OID_SUBJECT_ALT_NAME), true, subject_alt_name(spec.uri, spec.dns_names));
  return writer.pem();
}

#undef MESH_OID

}  // namespace mesh::net
