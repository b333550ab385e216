// RPC connections over TLS, both ways in: the dialer for rpc_redial.h, and the listener that lets TLS prove who calls
// before RPC hears of it.
//
// Thread: their loop. TLS options are asked for at each connection, so that a replaced identity or trust is used from then
// on. Errors of a handshake: net/tls/handshake.h.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>

#include "base/function.h"
#include "base/metrics.h"
#include "base/result.h"
#include "base/time.h"
#include "net/address.h"
#include "net/rpc_dial.h"
#include "net/rpc_http2.h"
#include "net/tls/handshake.h"

namespace mesh::net {

class TlsDialer final : public RpcDialer {
 public:
  // `options` is asked at each dial; its deadline is set to the dial's, its ALPN to h2. Null trust and no pinned root: the
  // dial fails with Unavailable. pool must outlive the dials.
  TlsDialer(Loop& loop, HandshakePool& pool, std::function<TlsClientOptions()> options)
      : loop_(loop), pool_(pool), options_(std::move(options)) {}
  [[nodiscard]] std::unique_ptr<RpcDial> dial(const Endpoint& to, MonoTime deadline, OnDone on_done) override;

 private:
  Loop& loop_;
  HandshakePool& pool_;
  std::function<TlsClientOptions()> options_;
};

struct RpcTlsListenerOptions {
  // Asked at each connection; the deadline is set to handshake_time_max, the ALPN to h2. Null trust: refused (not ready).
  std::function<TlsServerOptions()> tls{};
  // After the handshake; null: no certificate was shown. An error refuses the connection.
  std::function<Result<RpcPeer>(const CertificateInfo*)> peer_of{};
  std::size_t handshakes_max = 1024;            // under way; more are closed at once
  std::size_t handshakes_per_address_max = 64;  // of them from one address
  Duration handshake_time_max = seconds(5);
  RpcHttp2ListenerOptions rpc = {};
};

class RpcTlsListener {
 public:
  // Listens at once. server and pool must outlive it. Errors: StreamListener::listen's.
  static Result<std::unique_ptr<RpcTlsListener>> listen(Loop& loop, const Endpoint& where, HandshakePool& pool,
                                                        RpcServer& server, RpcTlsListenerOptions options);
  ~RpcTlsListener();  // as ~RpcHttp2Listener
  RpcTlsListener(const RpcTlsListener&) = delete;
  RpcTlsListener& operator=(const RpcTlsListener&) = delete;

  [[nodiscard]] const Endpoint& local() const;
  // Stops accepting; else as RpcHttp2Listener::stop.
  void stop(MonoTime deadline, UniqueFunction<void()> on_stopped);
  [[nodiscard]] std::size_t connections() const;
  [[nodiscard]] std::size_t handshakes() const;  // under way

 private:
  struct Core;
  explicit RpcTlsListener(std::unique_ptr<Core> core);
  std::unique_ptr<Core> core_;
};

}  // namespace mesh::net
