#include "net/tls/session.h"

#include <mbedtls/oid.h>
#include <mbedtls/platform_util.h>
#include <mbedtls/ssl.h>

#include <array>
#include <vector>

#include "base/check.h"
#include "base/clock.h"
#include "net/crypto.h"
#include "net/tls/tls_objects.h"

namespace mesh::net {

namespace {

constexpr std::array<int, 2> kSuites{MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, 0};
constexpr std::array<int, 2> kSignatureHashes{MBEDTLS_MD_SHA256, MBEDTLS_MD_NONE};
constexpr std::array<mbedtls_ecp_group_id, 2> kCurves{MBEDTLS_ECP_DP_SECP256R1, MBEDTLS_ECP_DP_NONE};
constexpr std::size_t kKeyBlockBytes = 2 * (kTrafficKeyBytes + kTrafficSaltBytes);

// The alert in the last of some records, sent before encryption began: its number.
std::optional<std::uint8_t> last_alert(ByteView records) {
  constexpr std::size_t kAlertRecordBytes = kRecordHeaderBytes + 2;
  std::optional<std::uint8_t> alert;
  while (records.size() >= kAlertRecordBytes) {
    const auto length = static_cast<std::size_t>(static_cast<std::uint8_t>(records[3])) << 8 |
                        static_cast<std::uint8_t>(records[4]);
    alert.reset();
    if (static_cast<RecordType>(records[0]) == RecordType::Alert) alert = static_cast<std::uint8_t>(records[kRecordHeaderBytes + 1]);
    records.remove_prefix(std::min(records.size(), kRecordHeaderBytes + length));
  }
  return alert;
}

}  // namespace

TlsSession::~TlsSession() {
  wipe(write.key);
  wipe(read.key);
}

// mbedTLS's context and configuration, and what its callbacks are to know.
class HandshakeSession::Machine {
 public:
  explicit Machine(TlsClientOptions options);
  explicit Machine(TlsServerOptions options);
  ~Machine();
  Machine(const Machine&) = delete;
  Machine& operator=(const Machine&) = delete;

  Progress step(ByteView in, Bytes& out);

  TlsSession session;
  std::optional<Error> failure;
  [[nodiscard]] Bytes rest() const { return in_.substr(in_used_); }

 private:
  void configure(int endpoint, const std::vector<std::string>& alpn);
  void configure_client();
  void configure_server();
  void check(int code, const char* what);  // of the setup: keeps the first failure
  Progress run();
  Progress finish();
  Progress failed(int code);
  [[nodiscard]] bool check_alpn();
  void send_alert(Alert alert);
  [[nodiscard]] Error explain(int code);
  [[nodiscard]] Error no_common_protocol() const {
    return error(Code::Unsupported, "our side refused {}: it names no application protocol (ALPN) that we do", peer());
  }
  [[nodiscard]] std::string_view peer() const { return is_client_ ? "the server" : "the client"; }

  std::uint32_t judge_certificate(mbedtls_x509_crt& leaf, std::uint32_t flags);
  std::uint32_t judge_pinned(const mbedtls_x509_crt& leaf) const;

  static int on_send(void* self, const unsigned char* data, std::size_t size);
  static int on_receive(void* self, unsigned char* data, std::size_t size);
  static int on_verify(void* self, mbedtls_x509_crt* certificate, int depth, std::uint32_t* flags);
  static int on_keys(void* self, const unsigned char* master, const unsigned char* block, std::size_t mac_size,
                     std::size_t key_size, std::size_t iv_size, const unsigned char* client_random,
                     const unsigned char* server_random, mbedtls_tls_prf_types prf);
  static int on_server_name(void* self, mbedtls_ssl_context* ssl, const unsigned char* name, std::size_t size);

  const bool is_client_;
  TlsClientOptions client_;
  TlsServerOptions server_;
  std::shared_ptr<const TlsIdentity> shown_;  // ours; mbedTLS points into it
  std::vector<const char*> alpn_;
  X509List no_roots_;
  mbedtls_ssl_context ssl_;
  mbedtls_ssl_config config_;
  Bytes in_;
  std::size_t in_used_ = 0;
  Bytes* out_ = nullptr;            // during a step
  std::uint32_t flags_above_ = 0;   // of the certificates above the leaf
  std::optional<Error> refusal_;    // by us, told in words
  std::array<unsigned char, kKeyBlockBytes> keys_{};
  bool has_keys_ = false;
  bool has_checked_alpn_ = false;
};

// ---- setting up ----

HandshakeSession::Machine::Machine(TlsClientOptions options) : is_client_(true), client_(std::move(options)) {
  configure(MBEDTLS_SSL_IS_CLIENT, client_.alpn);
  configure_client();
  check(mbedtls_ssl_setup(&ssl_, &config_), "set up TLS");
  if (!failure) check(mbedtls_ssl_set_hostname(&ssl_, client_.server_name.c_str()), "set the server's name");
  mbedtls_ssl_set_bio(&ssl_, this, on_send, on_receive, nullptr);
  session.server_name = client_.server_name;
}

HandshakeSession::Machine::Machine(TlsServerOptions options) : is_client_(false), server_(std::move(options)) {
  configure(MBEDTLS_SSL_IS_SERVER, server_.alpn);
  configure_server();
  check(mbedtls_ssl_setup(&ssl_, &config_), "set up TLS");
  mbedtls_ssl_set_bio(&ssl_, this, on_send, on_receive, nullptr);
}

HandshakeSession::Machine::~Machine() {
  mbedtls_ssl_free(&ssl_);
  mbedtls_ssl_config_free(&config_);
  mbedtls_platform_zeroize(keys_.data(), keys_.size());
}

void HandshakeSession::Machine::check(int code, const char* what) {
  if (code != 0 && !failure) failure = mbedtls_error(Code::Internal, what, code);
}

void HandshakeSession::Machine::configure(int endpoint, const std::vector<std::string>& alpn) {
  mbedtls_ssl_init(&ssl_);
  mbedtls_ssl_config_init(&config_);
  check(mbedtls_ssl_config_defaults(&config_, endpoint, MBEDTLS_SSL_TRANSPORT_STREAM, MBEDTLS_SSL_PRESET_DEFAULT),
        "configure TLS");
  mbedtls_ssl_conf_rng(&config_, mbedtls_random, nullptr);
  mbedtls_ssl_conf_min_version(&config_, MBEDTLS_SSL_MAJOR_VERSION_3, MBEDTLS_SSL_MINOR_VERSION_3);
  mbedtls_ssl_conf_max_version(&config_, MBEDTLS_SSL_MAJOR_VERSION_3, MBEDTLS_SSL_MINOR_VERSION_3);
  mbedtls_ssl_conf_ciphersuites(&config_, kSuites.data());
  mbedtls_ssl_conf_sig_hashes(&config_, kSignatureHashes.data());
  mbedtls_ssl_conf_curves(&config_, kCurves.data());
  mbedtls_ssl_conf_cert_profile(&config_, &kCertificateProfile);
  mbedtls_ssl_conf_renegotiation(&config_, MBEDTLS_SSL_RENEGOTIATION_DISABLED);
  mbedtls_ssl_conf_verify(&config_, on_verify, this);
  mbedtls_ssl_conf_export_keys_ext_cb(&config_, on_keys, this);
  if (alpn.empty()) return;
  for (const std::string& protocol : alpn) alpn_.push_back(protocol.c_str());
  alpn_.push_back(nullptr);
  check(mbedtls_ssl_conf_alpn_protocols(&config_, alpn_.data()), "configure ALPN");
}

void HandshakeSession::Machine::configure_client() {
  mbedtls_ssl_conf_authmode(&config_, MBEDTLS_SSL_VERIFY_REQUIRED);
  mbedtls_ssl_conf_session_tickets(&config_, MBEDTLS_SSL_SESSION_TICKETS_DISABLED);
  // Under a pinned root mbedTLS finds nothing to trust, and judge_pinned() decides.
  const X509List& roots = client_.trust != nullptr ? client_.trust->parts().roots : no_roots_;
  mbedtls_ssl_conf_ca_chain(&config_, roots.get(), nullptr);
  shown_ = client_.identity;
  if (shown_ == nullptr) return;
  auto* key = const_cast<PkKey&>(*shown_->parts().key).get();  // only read: prepare_for_sharing()
  check(mbedtls_ssl_conf_own_cert(&config_, shown_->parts().chain.get(), key), "set the certificate");
}

void HandshakeSession::Machine::configure_server() {
  const bool required = server_.client_certificate == ClientCertificate::Required;
  mbedtls_ssl_conf_authmode(&config_, required ? MBEDTLS_SSL_VERIFY_REQUIRED : MBEDTLS_SSL_VERIFY_OPTIONAL);
  mbedtls_ssl_conf_cert_req_ca_list(&config_, MBEDTLS_SSL_CERT_REQ_CA_LIST_DISABLED);
  mbedtls_ssl_conf_ca_chain(&config_, server_.trust->parts().roots.get(), nullptr);
  mbedtls_ssl_conf_sni(&config_, on_server_name, this);
}

// ---- running ----

HandshakeSession::Progress HandshakeSession::Machine::step(ByteView in, Bytes& out) {
  if (failure) return Progress::Failed;
  in_.erase(0, std::exchange(in_used_, 0));
  in_ += in;
  out_ = &out;
  const Progress progress = run();
  out_ = nullptr;
  return progress;
}

HandshakeSession::Progress HandshakeSession::Machine::run() {
  while (ssl_.state != MBEDTLS_SSL_HANDSHAKE_OVER) {
    const int code = mbedtls_ssl_handshake_step(&ssl_);
    if (code == MBEDTLS_ERR_SSL_WANT_READ) return Progress::NeedsBytes;
    if (code != 0) return failed(code);
    if (!check_alpn()) return failed(0);
  }
  return finish();
}

// As soon as the hellos are through: mbedTLS takes "none" for an answer.
bool HandshakeSession::Machine::check_alpn() {
  if (has_checked_alpn_ || ssl_.state <= MBEDTLS_SSL_SERVER_HELLO) return true;
  has_checked_alpn_ = true;
  if (alpn_.empty()) return true;
  const char* chosen = mbedtls_ssl_get_alpn_protocol(&ssl_);
  if (chosen != nullptr) {
    session.alpn = chosen;
    return true;
  }
  refusal_ = no_common_protocol();
  send_alert(Alert::NoApplicationProtocol);
  return false;
}

HandshakeSession::Progress HandshakeSession::Machine::finish() {
  constexpr std::array<unsigned char, 8> kOne{0, 0, 0, 0, 0, 0, 0, 1};
  // Each side has sent one record, Finished, under these keys. Were it not so, a nonce could be used twice.
  const bool counted = std::equal(kOne.begin(), kOne.end(), ssl_.cur_out_ctr) &&
                       std::equal(kOne.begin(), kOne.end(), ssl_.in_ctr);
  if (!has_keys_ || !counted || ssl_.session->ciphersuite != kSuites[0]) {
    failure = error(Code::Internal, "mbedTLS left the handshake in an unknown state");
    return Progress::Failed;
  }
  const auto* block = reinterpret_cast<const char*>(keys_.data());
  TrafficKey client{Bytes(block, kTrafficKeyBytes), Bytes(block + 2 * kTrafficKeyBytes, kTrafficSaltBytes)};
  TrafficKey server{Bytes(block + kTrafficKeyBytes, kTrafficKeyBytes),
                    Bytes(block + 2 * kTrafficKeyBytes + kTrafficSaltBytes, kTrafficSaltBytes)};
  session.write = is_client_ ? client : server;
  session.read = is_client_ ? server : client;
  wipe(client.key);
  wipe(server.key);
  return Progress::Done;
}

HandshakeSession::Progress HandshakeSession::Machine::failed(int code) {
  const std::optional<std::uint8_t> sent = last_alert(*out_);
  if (refusal_) failure = std::move(*refusal_);
  else if (sent == static_cast<std::uint8_t>(Alert::NoApplicationProtocol)) failure = no_common_protocol();
  else failure = explain(code);
  if (code == MBEDTLS_ERR_SSL_FATAL_ALERT_MESSAGE || sent || ssl_.transform_out != nullptr) return Progress::Failed;
  const bool unhappy = code == MBEDTLS_ERR_SSL_NO_CLIENT_CERTIFICATE || code == MBEDTLS_ERR_SSL_NO_CIPHER_CHOSEN;
  send_alert(unhappy ? Alert::HandshakeFailure : Alert::DecodeError);
  return Progress::Failed;
}

void HandshakeSession::Machine::send_alert(Alert alert) {
  (void)mbedtls_ssl_send_alert_message(&ssl_, MBEDTLS_SSL_ALERT_LEVEL_FATAL, static_cast<unsigned char>(alert));
}

// What the callbacks did not put into words already.
Error HandshakeSession::Machine::explain(int code) {
  switch (code) {
    case MBEDTLS_ERR_SSL_FATAL_ALERT_MESSAGE: return refused_by_peer(peer(), ssl_.in_msg[1]);
    case MBEDTLS_ERR_SSL_PEER_CLOSE_NOTIFY: return error(Code::Unavailable, "{} gave up the handshake", peer());
    case MBEDTLS_ERR_SSL_NO_CLIENT_CERTIFICATE:
      return error(Code::Unauthenticated, "our side refused the client: it showed no certificate");
    case MBEDTLS_ERR_SSL_NO_CIPHER_CHOSEN:
    case MBEDTLS_ERR_SSL_NO_USABLE_CIPHERSUITE:
      if (!is_client_ && session.server_name.empty())
        return error(Code::NotFound, "our side refused the client: it names no server (SNI)");
      return error(Code::Unsupported, "our side refused {}: it offers no suite of TLS that we speak", peer());
    case MBEDTLS_ERR_SSL_BAD_HS_PROTOCOL_VERSION:
      return error(Code::Unsupported, "our side refused {}: it does not speak TLS 1.2", peer());
    case MBEDTLS_ERR_SSL_ALLOC_FAILED: return mbedtls_error(Code::Internal, "shake hands", code);
    default: return mbedtls_error(Code::Corrupt, fmt::format("our side refused {}", peer()), code);
  }
}

// ---- callbacks ----

int HandshakeSession::Machine::on_send(void* self, const unsigned char* data, std::size_t size) {
  static_cast<Machine*>(self)->out_->append(reinterpret_cast<const char*>(data), size);
  return static_cast<int>(size);
}

int HandshakeSession::Machine::on_receive(void* self, unsigned char* data, std::size_t size) {
  auto& machine = *static_cast<Machine*>(self);
  const std::size_t count = machine.in_.copy(reinterpret_cast<char*>(data), size, machine.in_used_);
  if (count == 0) return MBEDTLS_ERR_SSL_WANT_READ;
  machine.in_used_ += count;
  return static_cast<int>(count);
}

int HandshakeSession::Machine::on_keys(void* self, const unsigned char*, const unsigned char* block,
                                       std::size_t mac_size, std::size_t key_size, std::size_t iv_size,
                                       const unsigned char*, const unsigned char*, mbedtls_tls_prf_types) {
  auto& machine = *static_cast<Machine*>(self);
  if (mac_size != 0 || key_size != kTrafficKeyBytes || iv_size != kTrafficSaltBytes)
    return MBEDTLS_ERR_SSL_INTERNAL_ERROR;
  std::copy(block, block + kKeyBlockBytes, machine.keys_.begin());
  machine.has_keys_ = true;
  return 0;
}

int HandshakeSession::Machine::on_server_name(void* self, mbedtls_ssl_context* ssl, const unsigned char* name,
                                              std::size_t size) {
  auto& machine = *static_cast<Machine*>(self);
  const std::string_view text(reinterpret_cast<const char*>(name), size);
  const bool good = size <= kServerNameBytesMax && is_name_text(text);
  if (good) machine.shown_ = machine.server_.select(text);
  if (!good || machine.shown_ == nullptr) {
    machine.refusal_ = error(Code::NotFound, "our side refused the client: it asks for '{}', which is not served here",
                             good ? text : "(not a name)");
    return -1;  // alert unrecognized_name
  }
  machine.session.server_name = text;
  auto* key = const_cast<PkKey&>(*machine.shown_->parts().key).get();  // only read: prepare_for_sharing()
  return mbedtls_ssl_set_hs_own_cert(ssl, machine.shown_->parts().chain.get(), key);
}

// Called for each certificate of the peer's chain, the leaf last (depth 0). A flag makes mbedTLS refuse with the alert that
// belongs to it.
int HandshakeSession::Machine::on_verify(void* self, mbedtls_x509_crt* certificate, int depth, std::uint32_t* flags) {
  auto& machine = *static_cast<Machine*>(self);
  const bool pinned = machine.is_client_ && machine.client_.trust == nullptr;
  // The first call is for the top of the chain: where all is good, one of our roots.
  Bytes& root = machine.session.peer_root_key_hash;
  if (!pinned && root.empty()) root = key_hash_of_certificate(*certificate);
  if (depth != 0) {
    machine.flags_above_ |= *flags;
    if (pinned) *flags = 0;
    return 0;
  }
  if (pinned)
    *flags = (*flags & MBEDTLS_X509_BADCERT_CN_MISMATCH) | machine.judge_pinned(*certificate);
  else
    *flags |= machine.flags_above_;
  *flags = machine.judge_certificate(*certificate, *flags);
  // Optional means that a client may show none, but mbedTLS would take a bad one too.
  const bool optional = !machine.is_client_ && machine.server_.client_certificate == ClientCertificate::Optional;
  return *flags != 0 && optional ? MBEDTLS_ERR_X509_FATAL_ERROR : 0;
}

std::uint32_t HandshakeSession::Machine::judge_pinned(const mbedtls_x509_crt& leaf) const {
  for (const mbedtls_x509_crt* one = leaf.next; one != nullptr; one = one->next) {
    if (one->ca_istrue == 0 || key_hash_of_certificate(*one) != client_.pinned_root_key_hash) continue;
    X509List anchor;
    if (mbedtls_x509_crt_parse_der(anchor.get(), one->raw.p, one->raw.len) != 0) break;
    const Result<std::uint32_t> flags = check_chain(leaf, anchor, wall_now());
    return flags.ok() ? *flags : MBEDTLS_X509_BADCERT_NOT_TRUSTED;
  }
  return MBEDTLS_X509_BADCERT_NOT_TRUSTED;
}

std::uint32_t HandshakeSession::Machine::judge_certificate(mbedtls_x509_crt& leaf, std::uint32_t flags) {
  const char* use = is_client_ ? MBEDTLS_OID_SERVER_AUTH : MBEDTLS_OID_CLIENT_AUTH;
  if (mbedtls_x509_crt_check_extended_key_usage(&leaf, use, MBEDTLS_OID_SIZE(MBEDTLS_OID_SERVER_AUTH)) != 0)
    flags |= MBEDTLS_X509_BADCERT_EXT_KEY_USAGE;
  if (mbedtls_x509_crt_check_key_usage(&leaf, MBEDTLS_X509_KU_DIGITAL_SIGNATURE) != 0)
    flags |= MBEDTLS_X509_BADCERT_KEY_USAGE;
  if (flags != 0) {
    refusal_ = error(Code::Unauthenticated, "our side refused the certificate of {}: {}", peer(),
                     describe_verdict(flags, leaf));
    return flags;
  }
  Result<CertificateInfo> info = describe_certificate(leaf);
  const TlsVerify& verify = is_client_ ? client_.verify : server_.verify;
  Status verdict = info.ok() ? Status{} : Status(info.error());
  if (info.ok() && verify) verdict = verify(*info);
  if (!verdict.ok()) {
    refusal_ = error(verdict.error().code, "our side refused the certificate of {}: {}", peer(), verdict.error().message);
    return MBEDTLS_X509_BADCERT_OTHER;  // alert access_denied
  }
  session.peer = std::move(*info);
  return 0;
}

// ---- the wrapper ----

HandshakeSession::HandshakeSession(TlsClientOptions options) : machine_(std::make_unique<Machine>(std::move(options))) {}
HandshakeSession::HandshakeSession(TlsServerOptions options) : machine_(std::make_unique<Machine>(std::move(options))) {}
HandshakeSession::~HandshakeSession() = default;

HandshakeSession::Progress HandshakeSession::step(ByteView in, Bytes& out) { return machine_->step(in, out); }
TlsSession HandshakeSession::take_session() { return std::move(machine_->session); }
Bytes HandshakeSession::take_rest() { return machine_->rest(); }
const Error& HandshakeSession::failure() const { return *machine_->failure; }

}  // namespace mesh::net
