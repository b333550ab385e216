#include "agent/dns/relay.h"

#include "agent/dns/forwarder.h"
#include "net/loop.h"

namespace mesh::dns {
namespace {

void store16(Bytes& out, std::size_t at, std::uint16_t value) {
  out[at] = static_cast<char>(value >> 8);
  out[at + 1] = static_cast<char>(value & 0xff);
}

bool is_refusal(ByteView reply) {
  const auto rcode = static_cast<Rcode>(reply[3] & 0xf);
  return rcode == Rcode::ServFail || rcode == Rcode::Refused;
}

}  // namespace

Relay::Relay(net::Loop& loop, const std::vector<net::Address>& recursors, Duration attempt_time, Rng& rng,
             ByteView query, bool over_tcp, OnDone on_done)
    : loop_(loop),
      recursors_(recursors),
      attempt_time_(attempt_time),
      rng_(rng),
      query_(query),
      over_tcp_(over_tcp),
      on_done_(std::move(on_done)),
      started_(loop.now()),
      timer_(loop, [this] { next_or_finish(error(Code::Timeout, "no answer from {}", recursors_[at_].to_string())); }) {
  Query parsed = parse_query(query);
  CHECK(parsed.has_question, "forwarding a packet without a question");
  question_ = parsed.question;
  attempt();
}

Relay::~Relay() = default;

void Relay::attempt() {
  id_ = static_cast<std::uint16_t>(rng_.below(0x10000));
  store16(query_, 0, id_);
  timer_.start_after(attempt_time_);
  const net::Address& to = recursors_[at_];
  const net::IpAddress any = to.ip.is_v4() ? net::IpAddress() : net::IpAddress::v6({});
  auto socket = net::UdpSocket::bind(loop_, {any, 0}, {},
                                     [this](const net::Address& from, ByteView data) { on_datagram(from, data); });
  if (!socket.ok()) {
    // Nothing may finish inside the call that started it: let the timer do it.
    timer_.start_after(Duration{0});
    return;
  }
  udp_ = std::move(socket).value();
  (void)udp_->send(to, query_);
}

void Relay::next_or_finish(Error error) {
  close_sockets();
  if (++at_ < recursors_.size() && loop_.now() - started_ < kForwardTimeMax) {
    attempt();
  } else if (!refusal_.empty()) {
    finish(std::move(refusal_));
  } else {
    finish(std::move(error));
  }
}

void Relay::on_datagram(const net::Address& from, ByteView data) {
  if (from != recursors_[at_] || !is_reply_to(data, id_, question_)) return;
  const bool truncated = (static_cast<unsigned char>(data[2]) & 0x02) != 0;
  if (truncated && over_tcp_) {
    ask_over_tcp();
    return;
  }
  on_reply(data);
}

void Relay::ask_over_tcp() {
  udp_.reset();
  timer_.start_after(attempt_time_);
  connect_ = std::make_unique<net::StreamConnect>(
      loop_, recursors_[at_], net::ConnectOptions{.deadline = timer_.deadline(), .source = {}},
      [this](Result<std::unique_ptr<net::Stream>> stream) { on_connected(std::move(stream)); });
}

void Relay::on_connected(Result<std::unique_ptr<net::Stream>> stream) {
  if (!stream.ok()) {
    next_or_finish(std::move(stream).error());
    return;
  }
  stream_ = std::move(stream).value();
  stream_->set_observer(this);
  Bytes length(2, '\0');
  store16(length, 0, static_cast<std::uint16_t>(query_.size()));
  stream_->write_owned(length + query_);
  stream_->resume_reading();
}

// One message, after its length (RFC 1035 section 4.2.2).
void Relay::on_data(ByteView data) {
  stream_bytes_.append(data);
  if (stream_bytes_.size() < 2) return;
  const std::size_t size = static_cast<std::size_t>(static_cast<unsigned char>(stream_bytes_[0])) << 8 |
                           static_cast<unsigned char>(stream_bytes_[1]);
  if (stream_bytes_.size() < size + 2) return;
  const Bytes message = stream_bytes_.substr(2, size);
  if (!is_reply_to(message, id_, question_)) {
    next_or_finish(error(Code::Corrupt, "{} answered another question", recursors_[at_].to_string()));
    return;
  }
  on_reply(message);
}

void Relay::on_end() {
  next_or_finish(error(Code::Unavailable, "{} closed before its answer", recursors_[at_].to_string()));
}

void Relay::on_failed(const Error& error) { next_or_finish(error); }

void Relay::on_reply(ByteView reply) {
  if (is_refusal(reply) && at_ + 1 < recursors_.size()) {
    refusal_ = reply;
    next_or_finish(error(Code::Unavailable, "refused"));
    return;
  }
  finish(Bytes(reply));
}

void Relay::close_sockets() {
  udp_.reset();
  connect_.reset();
  stream_.reset();
  stream_bytes_.clear();
}

void Relay::finish(Result<Bytes> result) {
  timer_.stop();
  close_sockets();
  OnDone on_done = std::move(on_done_);
  on_done(std::move(result));
}

}  // namespace mesh::dns
