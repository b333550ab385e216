// One TLS handshake as a machine of bytes: step(bytes that came) -> bytes to send. mbedTLS does it; its context (38 KB) lives
// as long as the handshake. What it leaves is a TlsSession: keys and who the peer is.
//
// Thread: one at a time, any. No sockets, no waiting; certificates are judged by the wall clock.
// To add session tickets: the two ticket callbacks of a server's configuration (session.cc, configure_server), the kept
// session of a client in TlsClientOptions, and verify called again for a resumed peer.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "base/bytes.h"
#include "base/result.h"
#include "net/tls/certificate.h"
#include "net/tls/handshake.h"
#include "net/tls/record.h"

namespace mesh::net {

// Wipes its keys when it goes.
struct TlsSession {
  TlsSession() = default;
  TlsSession(TlsSession&&) = default;
  TlsSession& operator=(TlsSession&&) = default;
  ~TlsSession();

  TrafficKey write;
  TrafficKey read;
  std::optional<CertificateInfo> peer;  // none: the client showed no certificate
  Bytes peer_root_key_hash;             // of the root that the peer's chain leads to; empty: none, or a pinned one
  std::string alpn;
  std::string server_name;
};

class HandshakeSession {
 public:
  enum class Progress : std::uint8_t { NeedsBytes, Done, Failed };

  explicit HandshakeSession(TlsClientOptions options);
  explicit HandshakeSession(TlsServerOptions options);
  ~HandshakeSession();
  HandshakeSession(const HandshakeSession&) = delete;
  HandshakeSession& operator=(const HandshakeSession&) = delete;

  // A client's first step takes no bytes. Appends to `out` what is to be sent, also (an alert) when it fails.
  // Not to be called again after Done or Failed.
  Progress step(ByteView in, Bytes& out);

  // After Done, once each.
  [[nodiscard]] TlsSession take_session();
  [[nodiscard]] Bytes take_rest();  // bytes that came behind the handshake: encrypted records
  // After Failed.
  [[nodiscard]] const Error& failure() const;

 private:
  class Machine;
  std::unique_ptr<Machine> machine_;
};

}  // namespace mesh::net
