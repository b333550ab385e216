// One TCP connection of a DNS client. The inside of the server.
#pragma once

#include <cstddef>
#include <memory>

#include "base/bytes.h"
#include "net/tcp.h"
#include "net/timer.h"

namespace mesh::dns {

class Server;

// Owned by the server, on its loop. Ends itself through Server::remove.
class TcpSession final : private net::StreamObserver {
 public:
  TcpSession(net::Loop& loop, Server& server, std::unique_ptr<net::Stream> stream);
  ~TcpSession() override;

 private:
  void on_data(ByteView data) override;
  void on_end() override;
  void on_writable() override;
  void on_failed(const Error& error) override;

  // False: the session is being removed.
  bool take_queries();
  void answer(ByteView packet);
  void send(ByteView reply);
  void forwarded(ByteView reply);
  void on_idle();
  void read_if_wanted();
  void end_if_done();

  Server& server_;
  std::unique_ptr<net::Stream> stream_;
  net::Timer idle_;
  Bytes input_;
  std::size_t forwards_ = 0;
  bool blocked_ = false;  // the peer does not read
  bool ended_ = false;    // the peer will send no more
  std::shared_ptr<TcpSession*> self_;
};

}  // namespace mesh::dns
