// TlsStream: the ByteStream that a handshake (handshake.h) gives: TLS 1.2 records by our own code (record.h) over a
// socket. What ByteStream promises holds; TLS adds:
//
// - shutdown_write() sends close_notify, then FIN. Reading goes on, as with plain TCP: RFC 5246 would have the peer close
//   at once, but a relay needs both directions to end apart.
// - The peer's end is on_end() only if its close_notify came; a FIN without one is on_failed(Unavailable, "truncated").
// - An alert or a record that is not allowed fails the stream (Unavailable; Corrupt) after our alert was sent.
//   Renegotiation is refused.
// - A reset of the connection below is reset_by_peer(); reset() sends RST, without an alert.
// - queued_bytes() and the marks count encrypted bytes.
//
// Cost per read: one copy (decryption) into a buffer of the thread. Per write: one copy (encryption), up to four records in
// one writev. An idle stream holds two keys and no buffers; bytes of an unfinished record (at most 16.4 KiB) are held while
// they wait. Thread: the loop of the socket.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "base/bytes.h"
#include "net/byte_stream.h"
#include "net/tcp.h"
#include "net/tls/certificate.h"

namespace mesh::net {

struct TlsSession;  // session.h: what a handshake leaves

class TlsStream final : public ByteStream {
 public:
  // For net/tls and its tests: wraps a connected stream. early: encrypted bytes that came with the end of the handshake.
  TlsStream(std::unique_ptr<Stream> below, TlsSession session, Bytes early);
  ~TlsStream() override;  // closes at once; the peer, without close_notify, takes it for truncated

  // The peer's leaf; null if it showed none (a client, where the server allows that).
  [[nodiscard]] const CertificateInfo* peer() const;
  // CertificateInfo::key_hash of the root that the peer's chain leads to; empty: it showed none, or the root was pinned.
  [[nodiscard]] const Bytes& peer_root_key_hash() const;
  [[nodiscard]] const std::string& alpn() const;         // empty: none
  [[nodiscard]] const std::string& server_name() const;  // that the client asked for

  void set_observer(StreamObserver* observer) override;
  void set_options(const StreamOptions& options) override;
  void resume_reading() override;
  void pause_reading() override;
  [[nodiscard]] bool reading() const override;
  using ByteStream::write;
  bool write(std::span<const ByteView> pieces) override;
  bool write_owned(Bytes data) override;
  bool write_shared(SharedBytes data) override;
  void shutdown_write() override;
  void reset() override;
  [[nodiscard]] std::size_t queued_bytes() const override;
  [[nodiscard]] bool above_high_mark() const override;
  [[nodiscard]] bool failed() const override;
  [[nodiscard]] bool reset_by_peer() const override;
  [[nodiscard]] const Endpoint& local() const override;
  [[nodiscard]] const Endpoint& remote() const override;
  [[nodiscard]] Loop& loop() const override;

  // The socket, for getsockopt and INET_DIAG; owned by the stream.
  [[nodiscard]] int descriptor() const;
  [[nodiscard]] std::uint64_t bytes_read_total() const;     // on the wire, after the handshake
  [[nodiscard]] std::uint64_t bytes_written_total() const;  // likewise

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

}  // namespace mesh::net
