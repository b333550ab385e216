#include "net/tls/alert.h"

namespace mesh::net {

namespace {

std::string_view name_of(Alert alert) {
  switch (alert) {
    case Alert::CloseNotify: return "close notify";
    case Alert::UnexpectedMessage: return "unexpected message";
    case Alert::BadRecordMac: return "bad record MAC";
    case Alert::RecordOverflow: return "record overflow";
    case Alert::HandshakeFailure: return "handshake failure";
    case Alert::BadCertificate: return "bad certificate";
    case Alert::UnsupportedCertificate: return "unsupported certificate";
    case Alert::CertificateRevoked: return "certificate revoked";
    case Alert::CertificateExpired: return "certificate expired";
    case Alert::CertificateUnknown: return "certificate not accepted";
    case Alert::IllegalParameter: return "illegal parameter";
    case Alert::UnknownCa: return "unknown CA";
    case Alert::AccessDenied: return "access denied";
    case Alert::DecodeError: return "decode error";
    case Alert::DecryptError: return "decrypt error";
    case Alert::ProtocolVersion: return "protocol version";
    case Alert::InsufficientSecurity: return "insufficient security";
    case Alert::InternalError: return "internal error";
    case Alert::UserCanceled: return "user canceled";
    case Alert::NoRenegotiation: return "no renegotiation";
    case Alert::UnrecognizedName: return "unrecognized name";
    case Alert::NoApplicationProtocol: return "no application protocol";
  }
  return "unknown";
}

struct Meaning {
  Code code;
  std::string_view text;
};

Meaning meaning_of(Alert alert) {
  switch (alert) {
    case Alert::BadCertificate:
    case Alert::UnsupportedCertificate:
    case Alert::CertificateRevoked:
    case Alert::CertificateExpired:
    case Alert::CertificateUnknown:
    case Alert::UnknownCa: return {Code::Unauthenticated, "did not accept our certificate"};
    case Alert::AccessDenied: return {Code::Denied, "does not let us in"};
    case Alert::UnrecognizedName: return {Code::NotFound, "does not serve the name that was asked for"};
    case Alert::HandshakeFailure: return {Code::Unauthenticated, "ended the handshake: it may want a certificate"};
    case Alert::ProtocolVersion:
    case Alert::InsufficientSecurity: return {Code::Unsupported, "speaks no version or suite of TLS that we do"};
    case Alert::NoApplicationProtocol: return {Code::Unsupported, "speaks no application protocol that we do"};
    case Alert::UserCanceled: return {Code::Overloaded, "has more handshakes than it can do"};  // so our own servers say
    case Alert::CloseNotify:
    case Alert::InternalError: return {Code::Unavailable, "gave up the handshake"};
    default: return {Code::Corrupt, "found a fault in the handshake"};
  }
}

}  // namespace

std::string alert_text(std::uint8_t alert) {
  return fmt::format("{} (alert {})", name_of(static_cast<Alert>(alert)), alert);
}

Error refused_by_peer(std::string_view peer, std::uint8_t alert) {
  const Meaning meaning = meaning_of(static_cast<Alert>(alert));
  return error(meaning.code, "{} {}: {}", peer, meaning.text, alert_text(alert));
}

}  // namespace mesh::net
