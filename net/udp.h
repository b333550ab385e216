// A UDP socket on a loop. Loop thread only. Datagrams are read in batches (recvmmsg) into one buffer per socket.
#pragma once

#include <cstdint>
#include <memory>

#include "base/bytes.h"
#include "base/fd.h"
#include "base/function.h"
#include "base/result.h"
#include "net/address.h"

namespace mesh::net {

class Loop;

inline constexpr std::size_t kDatagramBytesMax = 65507;
inline constexpr std::size_t kUdpQueueBytesMax = 1024 * 1024;  // output waiting for the socket; beyond: send() drops

struct UdpOptions {
  bool reuse_port = false;
  int receive_buffer_bytes = 0;  // SO_RCVBUF; 0 leaves the system's default
};

class UdpSocket {
 public:
  // data ends with the call. The callback may destroy the socket.
  using OnDatagram = UniqueFunction<void(const Address& from, ByteView data)>;

  // Port 0 takes any free one. An IPv6 socket takes IPv6 only. Errors as StreamListener::listen.
  static Result<std::unique_ptr<UdpSocket>> bind(Loop& loop, const Address& where, const UdpOptions& options,
                                                 OnDatagram on_datagram);
  ~UdpSocket();
  UdpSocket(const UdpSocket&) = delete;
  UdpSocket& operator=(const UdpSocket&) = delete;

  // Best effort like UDP itself: false if the datagram was dropped here (too large, queue full, the system refused).
  // Dropped ones are counted.
  bool send(const Address& to, ByteView data);

  // What send() is given leaves by `raw` from now on (IPv4 only), with `source_port`: for a socket that receives what was
  // sent to an address it is not bound to (docs/formats/steer.md, "The answers' socket"). `raw` is a raw socket of
  // protocol UDP, bound to the source address. Nothing waits: what the kernel does not take at once is dropped.
  void answer_through(UniqueFd raw, std::uint16_t source_port);

  [[nodiscard]] const Address& local() const { return local_; }
  [[nodiscard]] int descriptor() const;
  [[nodiscard]] std::uint64_t received_total() const { return received_; }
  [[nodiscard]] std::uint64_t truncated_total() const { return truncated_; }  // longer than kDatagramBytesMax
  [[nodiscard]] std::uint64_t send_drops_total() const { return send_drops_; }

 private:
  struct Block;
  explicit UdpSocket(OnDatagram on_datagram);
  [[nodiscard]] bool send_raw(const Address& to, ByteView data) const;

  OnDatagram on_datagram_;
  Block* block_ = nullptr;
  Address local_;
  UniqueFd raw_;  // see answer_through()
  std::uint16_t raw_port_ = 0;
  std::uint64_t received_ = 0;
  std::uint64_t truncated_ = 0;
  std::uint64_t send_drops_ = 0;
};

}  // namespace mesh::net
