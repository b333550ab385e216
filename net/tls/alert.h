// TLS alerts (RFC 5246, 7.2): numbers, names, and what an alert of the peer means to us. Any thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace mesh::net {

enum class Alert : std::uint8_t {
  CloseNotify = 0,
  UnexpectedMessage = 10,
  BadRecordMac = 20,
  RecordOverflow = 22,
  HandshakeFailure = 40,
  BadCertificate = 42,
  UnsupportedCertificate = 43,
  CertificateRevoked = 44,
  CertificateExpired = 45,
  CertificateUnknown = 46,
  IllegalParameter = 47,
  UnknownCa = 48,
  AccessDenied = 49,
  DecodeError = 50,
  DecryptError = 51,
  ProtocolVersion = 70,
  InsufficientSecurity = 71,
  InternalError = 80,
  UserCanceled = 90,
  NoRenegotiation = 100,
  UnrecognizedName = 112,
  NoApplicationProtocol = 120,
};

inline constexpr std::uint8_t kAlertWarning = 1;
inline constexpr std::uint8_t kAlertFatal = 2;

// "unknown CA (alert 48)"; any number.
[[nodiscard]] std::string alert_text(std::uint8_t alert);
// The peer ended a handshake with this alert. `peer`: "the server" or "the client".
[[nodiscard]] Error refused_by_peer(std::string_view peer, std::uint8_t alert);

}  // namespace mesh::net
