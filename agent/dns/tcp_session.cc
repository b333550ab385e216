#include "agent/dns/tcp_session.h"

#include "agent/dns/server.h"
#include "net/loop.h"

namespace mesh::dns {
namespace {

constexpr std::size_t kLengthSize = 2;

std::size_t length_at_start(ByteView input) {
  return static_cast<std::size_t>(static_cast<unsigned char>(input[0])) << 8 | static_cast<unsigned char>(input[1]);
}

bool is_loopback(const net::Endpoint& endpoint) { return !endpoint.is_unix() && endpoint.address().ip.is_loopback(); }

}  // namespace

TcpSession::TcpSession(net::Loop& loop, Server& server, std::unique_ptr<net::Stream> stream)
    : server_(server),
      stream_(std::move(stream)),
      idle_(loop, [this] { on_idle(); }),
      self_(std::make_shared<TcpSession*>(this)) {
  stream_->set_observer(this);
  stream_->resume_reading();
  idle_.start_after(kTcpIdleMax);
}

TcpSession::~TcpSession() { *self_ = nullptr; }

void TcpSession::on_data(ByteView data) {
  input_.append(data);
  if (take_queries()) read_if_wanted();
}

// Every complete query in input_, as long as answers can go out.
bool TcpSession::take_queries() {
  std::size_t used = 0;
  while (!blocked_ && forwards_ < kTcpForwardsMax && input_.size() - used >= kLengthSize) {
    const ByteView rest = ByteView(input_).substr(used);
    const std::size_t size = length_at_start(rest);
    if (size > kTcpQueryBytesMax || size < kHeaderSize) {
      server_.remove(this);
      return false;
    }
    if (rest.size() < kLengthSize + size) break;
    used += kLengthSize + size;
    idle_.start_after(kTcpIdleMax);
    answer(rest.substr(kLengthSize, size));
  }
  input_.erase(0, used);
  return true;
}

void TcpSession::answer(ByteView packet) {
  const Client client{.tcp = true, .loopback = is_loopback(stream_->remote())};
  switch (server_.answer_packet(packet, client)) {
    case Step::Reply: return send(server_.reply_);
    case Step::Silence: return;
    case Step::Forward: break;
  }
  ++forwards_;
  server_.forward(packet, true, [self = self_](Bytes reply) {
    if (*self != nullptr) (*self)->forwarded(reply);
  });
}

void TcpSession::send(ByteView reply) {
  const char length[] = {static_cast<char>(reply.size() >> 8), static_cast<char>(reply.size() & 0xff)};
  const ByteView pieces[] = {{length, sizeof length}, reply};
  if (!stream_->write(pieces)) blocked_ = true;
}

void TcpSession::forwarded(ByteView reply) {
  --forwards_;
  idle_.start_after(kTcpIdleMax);
  send(reply);
  if (!take_queries()) return;
  read_if_wanted();
  end_if_done();
}

void TcpSession::on_writable() {
  blocked_ = false;
  if (!take_queries()) return;
  read_if_wanted();
  end_if_done();
}

void TcpSession::read_if_wanted() {
  if (ended_) return;
  if (blocked_ || forwards_ >= kTcpForwardsMax) {
    stream_->pause_reading();
  } else {
    stream_->resume_reading();
  }
}

// The peer may still be waiting for answers (RFC 7766 section 6.2.4).
void TcpSession::on_end() {
  ended_ = true;
  end_if_done();
}

void TcpSession::end_if_done() {
  if (!ended_ || forwards_ > 0) return;
  if (stream_->queued_bytes() == 0) {
    server_.remove(this);
  } else {
    stream_->shutdown_write();  // the idle time, or a stalled write, removes it
  }
}

void TcpSession::on_failed(const Error&) { server_.remove(this); }

void TcpSession::on_idle() {
  if (forwards_ > 0) {
    idle_.start_after(kTcpIdleMax);
  } else {
    server_.remove(this);
  }
}

}  // namespace mesh::dns
