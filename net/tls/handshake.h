// From a connected stream to a TlsStream: TLS 1.2, ECDHE-ECDSA-AES128-GCM-SHA256, P-256 and nothing else.
//
// A handshake costs 8 ms of CPU, so its arithmetic runs on the threads of a HandshakePool, in steps: the loop brings the
// bytes that have arrived, a thread works on them and gives back bytes to send. No thread waits for a peer. When more
// handshakes come than the threads can do, most of those that can be done in time are, and the others fail without having
// cost anything: handshake_schedule.h has the rules.
// Thread: a TlsHandshake belongs to the loop of its stream. `verify` and `select` run on a pool thread: pure functions of
// their arguments and of immutable values.
//
// Glossary: our side = this process; SNI = the server name that the client asks for; pinned = trusted by the hash of the
// root's key alone. To add session tickets start in session.h.
//
// Errors of a handshake, each naming the side that refused and why; the peer gets the matching alert first:
//   Unauthenticated  the peer's certificate is missing, from an untrusted issuer, expired, not yet valid, for another
//                    name or purpose; or the peer says so of ours
//   NotFound         no such server name, told by or to the peer
//   what `verify` said, with its code
//   Corrupt          bytes that are not TLS or not allowed here     Unsupported  no common version, suite or ALPN
//   Timeout          not done by the deadline                       Unavailable  the peer closed or reset
//   Overloaded       it never began, or waited too long for a thread (begun() tells which); or the peer says so of itself
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/function.h"
#include "base/result.h"
#include "base/time.h"
#include "net/tcp.h"
#include "net/tls/certificate.h"
#include "net/tls/identity.h"
#include "net/tls/tls_stream.h"

namespace mesh::net {

inline constexpr Duration kHandshakeTimeMax = seconds(10);             // unless a deadline is given
inline constexpr Duration kHandshakeAlertTimeMax = milliseconds(500);  // for the peer to take our alert
inline constexpr std::size_t kHandshakeBytesMax = 64 * 1024;           // from the peer, in one handshake
inline constexpr std::size_t kServerNameBytesMax = 255;

struct HandshakePoolOptions {
  std::size_t threads = 2;
  std::size_t begun_max = 64;       // each way (client, server); more only while a thread has nothing else to do
  std::size_t sessions_max = 512;   // each way: begun ones in all (45 KB each); beyond: a silent one has to go, or new ones wait
  std::size_t waiting_max = 1'024;  // each way: not begun (under 1 KB each); beyond: the oldest is refused (Overloaded)
  std::string thread_name = "mesh-tls";
};

class HandshakePool {
 public:
  explicit HandshakePool(const HandshakePoolOptions& options = {});
  // Waits for the steps in progress. Handshakes still open on some loop end with Cancelled.
  ~HandshakePool();
  HandshakePool(const HandshakePool&) = delete;
  HandshakePool& operator=(const HandshakePool&) = delete;

  // Any thread.
  [[nodiscard]] std::size_t waiting() const;            // not begun
  [[nodiscard]] std::size_t sessions() const;           // begun and not ended
  [[nodiscard]] std::size_t queued() const;             // steps of begun ones that wait for a thread
  [[nodiscard]] std::uint64_t refused_total() const;    // had to go, to make room for others
  [[nodiscard]] std::uint64_t dropped_total() const;    // could not be done by their deadline; no CPU spent on them from then on

  class Core;  // for net/tls: handshake_pool.h
  [[nodiscard]] const std::shared_ptr<Core>& core() const { return core_; }

 private:
  std::shared_ptr<Core> core_;
};

// Called during the handshake, after chain, validity and (by a client) server name have been found good.
using TlsVerify = std::function<Status(const CertificateInfo& peer)>;

struct TlsClientOptions {
  std::shared_ptr<const TlsIdentity> identity{};  // null: no certificate is shown
  std::shared_ptr<const TrustBundle> trust{};     // whom to believe, or null and
  Bytes pinned_root_key_hash{};                   // the key hash of the root, which the server then has to send
  std::string server_name{};                      // REQUIRES 1 to kServerNameBytesMax: sent as SNI, must be in the certificate
  std::vector<std::string> alpn{};                // if any, the server must choose one
  TlsVerify verify{};                             // none: chain and name suffice
  MonoTime deadline = kNever;                     // kNever: kHandshakeTimeMax from now
  Duration time_begun = Duration::max();          // for the peer and the arithmetic, once it has begun; the deadline holds too
};

enum class ClientCertificate : std::uint8_t {
  Required,
  Optional,  // a client may show none; one that it shows must be good all the same
};

struct TlsServerOptions {
  // What to show for a server name; null: refused (alert unrecognized_name). Not called if the client names none: refused.
  std::function<std::shared_ptr<const TlsIdentity>(std::string_view server_name)> select{};
  std::shared_ptr<const TrustBundle> trust{};  // for client certificates; REQUIRED
  ClientCertificate client_certificate = ClientCertificate::Required;
  std::vector<std::string> alpn{};  // in order of preference; if any, the client must offer one of them
  TlsVerify verify{};               // none: the chain suffices
  MonoTime deadline = kNever;       // kNever: kHandshakeTimeMax from now
};

// One handshake. on_done is called once, with a TlsStream that does not read yet, or with an error after which the stream
// below is gone. It may destroy the handshake. Destroying it earlier cancels and closes the stream.
class TlsHandshake {
 public:
  using OnDone = UniqueFunction<void(Result<std::unique_ptr<TlsStream>>)>;

  // stream: connected, nothing read from it yet. A server takes a place in the pool only once the client speaks.
  TlsHandshake(HandshakePool& pool, std::unique_ptr<Stream> stream, TlsClientOptions options, OnDone on_done);
  TlsHandshake(HandshakePool& pool, std::unique_ptr<Stream> stream, TlsServerOptions options, OnDone on_done);
  ~TlsHandshake();
  TlsHandshake(const TlsHandshake&) = delete;
  TlsHandshake& operator=(const TlsHandshake&) = delete;

  // Its first step is over and it goes on. False with Overloaded means that our own side could never begin it.
  [[nodiscard]] bool begun() const;

 private:
  class Operation;
  std::unique_ptr<Operation> operation_;
};

}  // namespace mesh::net
