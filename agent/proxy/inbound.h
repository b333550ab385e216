// A connection that another agent made to this host's mesh port. Worker loop only.
//
// Steps: TLS (the server name chooses the certificate, so it names the service) -> preface -> who calls (certificate) -> is it
// allowed -> dial the program -> status -> relay. Until the preface has been read the connection counts as pending, which
// is bounded apart and in time; nothing that the peer says before its certificate is checked is stored or logged as a name.
#pragma once

#include <memory>
#include <string>

#include "agent/proxy/connection.h"
#include "agent/proxy/preface.h"
#include "net/tcp.h"
#include "net/timer.h"
#include "net/tls/handshake.h"

namespace mesh::proxy {

inline constexpr Duration kRefusedLingerTime = seconds(2);  // for the status to be read

class InboundConnection final : public Connection, net::StreamObserver {
 public:
  InboundConnection(Worker& worker, std::unique_ptr<net::Stream> accepted);
  ~InboundConnection() override;

  void start() override;

 private:
  void secured(Result<std::unique_ptr<net::TlsStream>> result);
  void read_peer();
  void on_data(ByteView data) override;
  void on_end() override;
  void on_failed(const Error& error) override;
  void preface_read(ByteView rest);
  void call(const Preface& preface);
  void dial(const net::Endpoint& where);
  void dialled(Result<std::unique_ptr<net::Stream>> result);
  void answer(const EndReport& report);
  void refuse(EndReport report);
  void time_over();
  void no_longer_pending();
  void release() override;

  std::unique_ptr<net::Stream> accepted_;
  std::shared_ptr<const net::TrustBundle> trust_;  // of the time of the accept
  std::unique_ptr<net::TlsHandshake> handshake_;
  std::unique_ptr<net::TlsStream> stream_;
  std::unique_ptr<net::Timer> timer_;
  std::unique_ptr<net::StreamConnect> connect_;
  FrameReader reader_;
  Bytes early_;  // of the calling program, until its destination is connected
  EndReport refused_;
  bool pending_ = true;
  bool preface_done_ = false;
  bool refusing_ = false;
  bool peer_ended_ = false;
};

}  // namespace mesh::proxy
