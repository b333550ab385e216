#include "net/udp.h"

#include <uv.h>

#include <cstring>

#include "net/loop.h"
#include "net/sockets.h"

namespace mesh::net {

namespace {

constexpr std::size_t kDatagramSlotBytes = 64 * 1024;  // libuv's slot for one message of a batch
constexpr std::size_t kBatchMax = 16;                  // pages of slots that small datagrams do not touch stay unused

struct SendRequest {
  uv_udp_send_t uv;
  Bytes data;
};

}  // namespace

struct UdpSocket::Block {
  uv_udp_t handle;
  UdpSocket* owner;
  std::unique_ptr<char[]> buffer;

  void receive(ssize_t count, const uv_buf_t* data, const sockaddr* from, unsigned flags) const;
};

UdpSocket::UdpSocket(OnDatagram on_datagram) : on_datagram_(std::move(on_datagram)) {}

Result<std::unique_ptr<UdpSocket>> UdpSocket::bind(Loop& loop, const Address& where, const UdpOptions& options,
                                                   OnDatagram on_datagram) {
  auto fd = bind_socket(where, BindOptions{.type = SOCK_DGRAM, .reuse_port = options.reuse_port});
  if (!fd.ok()) return std::move(fd).error().context("while binding UDP {}", where.to_string());
  if (options.receive_buffer_bytes > 0)
    setsockopt(fd->get(), SOL_SOCKET, SO_RCVBUF, &options.receive_buffer_bytes, sizeof options.receive_buffer_bytes);
  std::unique_ptr<UdpSocket> socket(new UdpSocket(std::move(on_datagram)));
  socket->local_ = local_endpoint(fd->get()).address();
  auto* block = new Block{{}, socket.get(), std::make_unique_for_overwrite<char[]>(kBatchMax * kDatagramSlotBytes)};
  socket->block_ = block;
  uv_udp_init_ex(loop.raw(), &block->handle, AF_UNSPEC | UV_UDP_RECVMMSG);
  block->handle.data = block;
  if (const int code = uv_udp_open(&block->handle, fd->get()); code != 0) return socket_error("open UDP", -code);
  (void)fd->release();
  const int code = uv_udp_recv_start(
      &block->handle,
      [](uv_handle_t* handle, size_t, uv_buf_t* buffer) {
        *buffer = uv_buf_init(static_cast<Block*>(handle->data)->buffer.get(), kBatchMax * kDatagramSlotBytes);
      },
      [](uv_udp_t* handle, ssize_t count, const uv_buf_t* data, const sockaddr* from, unsigned flags) {
        static_cast<Block*>(handle->data)->receive(count, data, from, flags);
      });
  if (code != 0) return socket_error("receive UDP", -code);
  return socket;
}

UdpSocket::~UdpSocket() {
  if (block_ == nullptr) return;
  block_->owner = nullptr;
  uv_close(reinterpret_cast<uv_handle_t*>(&block_->handle),
           [](uv_handle_t* handle) { delete static_cast<Block*>(handle->data); });
}

// Called for each datagram of a batch, and without an address when there is no more.
void UdpSocket::Block::receive(ssize_t count, const uv_buf_t* data, const sockaddr* from, unsigned flags) const {
  if (owner == nullptr || from == nullptr || count < 0) return;
  if ((flags & UV_UDP_PARTIAL) != 0) {
    ++owner->truncated_;
    return;
  }
  ++owner->received_;
  const Endpoint sender = from_socket_name(from, 0);
  if (sender.is_unix()) return;
  // The callback may destroy the socket.
  OnDatagram fn = std::move(owner->on_datagram_);
  fn(sender.address(), ByteView(data->base, static_cast<std::size_t>(count)));
  if (owner != nullptr) owner->on_datagram_ = std::move(fn);
}

bool UdpSocket::send(const Address& to, ByteView data) {
  const auto refuse = [this] {
    ++send_drops_;
    return false;
  };
  if (data.size() > kDatagramBytesMax) return refuse();
  if (raw_) return send_raw(to, data) || refuse();
  const SocketName name = to_socket_name(to);
  uv_buf_t buffer = uv_buf_init(const_cast<char*>(data.data()), static_cast<unsigned>(data.size()));
  const int sent = uv_udp_try_send(&block_->handle, &buffer, 1, name.get());
  if (sent >= 0) return true;
  if (sent != UV_EAGAIN || uv_udp_get_send_queue_size(&block_->handle) + data.size() > kUdpQueueBytesMax)
    return refuse();
  auto* request = new SendRequest{{}, Bytes(data)};
  request->uv.data = request;
  buffer = uv_buf_init(request->data.data(), static_cast<unsigned>(request->data.size()));
  const int code = uv_udp_send(&request->uv, &block_->handle, &buffer, 1, name.get(), [](uv_udp_send_t* done, int) {
    delete static_cast<SendRequest*>(done->data);
  });
  if (code == 0) return true;
  delete request;
  return refuse();
}

void UdpSocket::answer_through(UniqueFd raw, std::uint16_t source_port) {
  raw_ = std::move(raw);
  raw_port_ = source_port;
}

// RFC 768: source port, destination port, length, checksum; 0 means that none was made, which IPv4 allows.
bool UdpSocket::send_raw(const Address& to, ByteView data) const {
  if (!to.ip.is_v4()) return false;
  Bytes header;
  append_be32(header, (std::uint32_t{raw_port_} << 16) | to.port);
  append_be32(header, static_cast<std::uint32_t>(data.size() + 8) << 16);
  SocketName name = to_socket_name(Address{to.ip, 0});
  iovec pieces[] = {{header.data(), header.size()}, {const_cast<char*>(data.data()), data.size()}};
  msghdr message{};
  message.msg_name = &name.storage;
  message.msg_namelen = name.size;
  message.msg_iov = pieces;
  message.msg_iovlen = 2;
  return sendmsg(raw_.get(), &message, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0;
}

int UdpSocket::descriptor() const {
  uv_os_fd_t fd = -1;
  return uv_fileno(reinterpret_cast<const uv_handle_t*>(&block_->handle), &fd) == 0 ? fd : -1;
}

}  // namespace mesh::net
