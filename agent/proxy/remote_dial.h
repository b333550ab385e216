// One attempt to reach an instance on another host: connect to its mesh port, TLS as the caller, preface, status. The
// program's first bytes may follow the preface before the status is known (write_early); who calls keeps them for the next
// attempt. Worker loop only. Destroying cancels; the observer may hand it to destroy_later() from its own call.
#pragma once

#include <memory>
#include <string>

#include "agent/proxy/peer.h"
#include "agent/proxy/preface.h"
#include "agent/proxy/snapshot.h"
#include "base/bytes.h"
#include "net/byte_stream.h"
#include "net/tcp.h"
#include "net/timer.h"
#include "net/tls/handshake.h"

namespace mesh::proxy {

struct DialFailure {
  model::ReasonCode reason = model::ReasonCode::Internal;
  std::string text;
  std::string rule;
  bool in_handshake = false;
  bool overloaded_here = false;  // our own handshakes are what is short: no other instance would do better
};

// Why a handshake failed, by the code of its error.
[[nodiscard]] model::ReasonCode handshake_reason(const Error& error);

class DialObserver {
 public:
  virtual ~DialObserver() = default;
  // The preface is sent: write_early() may be used.
  virtual void on_dial_open() = 0;
  // Connected. rest: what the called program has sent already, borrowed for the call.
  virtual void on_dial_done(std::unique_ptr<net::ByteStream> stream, ByteView rest) = 0;
  virtual void on_dial_failed(DialFailure failure) = 0;
};

struct RemoteTarget {
  net::Address host;
  std::string service;
  std::string trust_domain;
  std::string datacenter;
  std::shared_ptr<const net::TlsIdentity> identity;  // the caller's
  std::shared_ptr<const net::TrustBundle> trust;
  Preface preface;
  MonoTime deadline;      // of all of it, the wait of the handshake for its turn included
  Duration attempt_time;  // for the host to answer: connect; handshake, once it has begun; status
};

class RemoteDial final : net::StreamObserver {
 public:
  // early: sent behind the preface.
  RemoteDial(net::Loop& loop, net::HandshakePool& pool, RemoteTarget target, Bytes early, DialObserver& observer);
  ~RemoteDial() override;
  RemoteDial(const RemoteDial&) = delete;
  RemoteDial& operator=(const RemoteDial&) = delete;

  void write_early(ByteView data);
  [[nodiscard]] const net::TrustBundle& trust() const { return *target_.trust; }
  [[nodiscard]] const Peer& peer() const { return peer_; }  // once the dial is open
  // Nothing is called from here on.
  void cancel();

 private:
  void connected(Result<std::unique_ptr<net::Stream>> result);
  void shake_hands(std::unique_ptr<net::Stream> stream);
  void secured(Result<std::unique_ptr<net::TlsStream>> result);
  void on_data(ByteView data) override;
  void on_end() override;
  void on_failed(const Error& error) override;
  void fail(DialFailure failure);
  [[nodiscard]] MonoTime attempt_deadline() const;

  net::Loop& loop_;
  net::HandshakePool& pool_;
  RemoteTarget target_;
  Bytes early_;
  DialObserver* observer_;  // null once it has been told the result
  std::unique_ptr<net::StreamConnect> connect_;
  std::unique_ptr<net::TlsHandshake> handshake_;
  std::unique_ptr<net::TlsStream> stream_;
  Peer peer_;
  FrameReader reader_;
  net::Timer status_timer_;
};

}  // namespace mesh::proxy
