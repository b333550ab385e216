#include "agent/dns/server.h"

#include <algorithm>

#include "agent/dns/tcp_session.h"
#include "base/log.h"
#include "net/loop.h"
#include "net/tcp.h"
#include "net/udp.h"

namespace mesh::dns {
namespace {

constexpr std::uint16_t kDnsPort = 53;

constexpr int kFreePortAttempts = 16;           // port 0 must be free for UDP and TCP alike
constexpr int kUdpReceiveBytes = 1024 * 1024;   // room for a burst of about 1,500 questions

std::shared_ptr<const Settings> with_recursion(const Settings& settings, bool recursion) {
  Settings copy = settings;
  copy.recursion = recursion;
  return std::make_shared<const Settings>(std::move(copy));
}

}  // namespace

Server::Server(net::Loop& loop, const Settings& settings, const ServerOptions& options)
    : loop_(loop), settings_(with_recursion(settings, false)), rng_(options.seed), metrics_(options.metrics) {
  if (metrics_ == nullptr) return;
  const CounterFamily queries = metrics_->counters(
      {.name = "meshd_dns_queries_total", .help = "DNS packets received.", .labels = {"transport"}});
  counters_.udp_queries = queries.with({"udp"});
  counters_.tcp_queries = queries.with({"tcp"});
  const CounterFamily replies =
      metrics_->counters({.name = "meshd_dns_replies_total", .help = "DNS answers of our own.", .labels = {"rcode"}});
  for (Rcode rcode : {Rcode::NoError, Rcode::FormErr, Rcode::ServFail, Rcode::NxDomain, Rcode::NotImp, Rcode::Refused,
                      Rcode::BadVers}) {
    counters_.replies[static_cast<std::size_t>(rcode)] = replies.with({rcode_name(rcode)});
  }
  counters_.notes = metrics_->counters(
      {.name = "meshd_dns_refusals_total", .help = "DNS questions not answered as asked.", .labels = {"why"}});
  counters_.silent =
      metrics_->counter({.name = "meshd_dns_dropped_total", .help = "DNS packets that cannot be questions."});
  counters_.truncated =
      metrics_->counter({.name = "meshd_dns_truncated_total", .help = "DNS answers that did not fit."});
  counters_.connections =
      metrics_->gauge({.name = "meshd_dns_tcp_connections", .help = "Open TCP connections of DNS clients."});
}

Server::~Server() = default;

Status Server::listen(const net::Address& where) {
  Status status;
  for (int attempt = 0; attempt < kFreePortAttempts; ++attempt) {
    status = listen_once(where);
    if (status.ok() || where.port != 0) break;
  }
  return std::move(status).context("while opening DNS at {}", where.to_string());
}

Status Server::listen_once(const net::Address& where) {
  const std::size_t index = listeners_.size();
  MESH_TRY(udp, net::UdpSocket::bind(loop_, where, {.receive_buffer_bytes = kUdpReceiveBytes},
                                     [this, index](const net::Address& from, ByteView packet) {
                                       on_datagram(index, from, packet);
                                     }));
  MESH_TRY(tcp, net::StreamListener::listen(
                    loop_, udp->local(), {},
                    [this](std::unique_ptr<net::Stream> stream) { on_accept(std::move(stream)); }));
  listeners_.push_back({std::move(udp), std::move(tcp)});
  return {};
}

Result<Server::SteeredSockets> Server::listen_steered() {
  CHECK(!steered_, "listen_steered() twice");
  const std::size_t index = listeners_.size();
  MESH_TRY_STATUS(listen({net::IpAddress::loopback(), 0}));
  steered_ = index;
  return SteeredSockets{listeners_[index].udp->descriptor(), listeners_[index].tcp->descriptor()};
}

void Server::answer_steered_through(UniqueFd raw) {
  CHECK(steered_, "nothing is steered here");
  listeners_[*steered_].udp->answer_through(std::move(raw), kDnsPort);
}

std::vector<net::Address> Server::addresses() const {
  std::vector<net::Address> out;
  for (std::size_t i = 0; i < listeners_.size(); ++i) {
    if (i != steered_) out.push_back(listeners_[i].udp->local());
  }
  return out;
}

Status Server::configure(const Settings& settings, const ForwarderOptions& forwarder) {
  for (const net::Address& recursor : forwarder.recursors) {
    if (!is_ours(recursor)) continue;
    return error(Code::Invalid, "dns recursor {} is this agent itself: name another resolver", recursor.to_string());
  }
  settings_ = with_recursion(settings, !forwarder.recursors.empty());
  forwarder_.reset();
  if (settings_->recursion) {
    forwarder_ = std::make_unique<Forwarder>(loop_, forwarder, rng_.next(), metrics_);
  }
  return {};
}

bool Server::is_ours(const net::Address& address) const {
  const auto own = addresses();
  return std::any_of(own.begin(), own.end(), [&](const net::Address& each) {
    const bool same_ip = each.ip == address.ip || (each.ip.is_any() && address.ip.is_loopback());
    return same_ip && each.port == address.port;
  });
}

void Server::stop_listening() { listeners_.clear(); }

void Server::on_datagram(std::size_t listener, const net::Address& from, ByteView packet) {
  counters_.udp_queries.add();
  const Client client{.tcp = false, .loopback = from.ip.is_loopback()};
  switch (answer_packet(packet, client)) {
    case Step::Reply: (void)listeners_[listener].udp->send(from, reply_); return;
    case Step::Silence: return;
    case Step::Forward: break;
  }
  forward(packet, false, [this, listener, from](Bytes reply) {
    if (listener < listeners_.size()) (void)listeners_[listener].udp->send(from, reply);
  });
}

void Server::on_accept(std::unique_ptr<net::Stream> stream) {
  auto session = std::make_unique<TcpSession>(loop_, *this, std::move(stream));
  TcpSession* key = session.get();
  sessions_.emplace(key, std::move(session));
  counters_.connections.set(static_cast<double>(sessions_.size()));
  if (sessions_.size() < kTcpConnectionsMax) return;
  for (Listener& open : listeners_) open.tcp->pause();
}

void Server::remove(TcpSession* session) {
  auto node = sessions_.extract(session);
  if (node.empty()) return;
  loop_.destroy_later(std::move(node.mapped()));
  counters_.connections.set(static_cast<double>(sessions_.size()));
  for (Listener& open : listeners_) open.tcp->resume();
}

Step Server::answer_packet(ByteView packet, Client client) {
  if (client.tcp) counters_.tcp_queries.add();
  const Outcome outcome = answer(packet, client, zone_.get(), *settings_, rng_, reply_);
  count(outcome);
  return outcome.step;
}

void Server::forward(ByteView packet, bool over_tcp, UniqueFunction<void(Bytes)> on_reply) {
  forwarder_->ask(packet, over_tcp, [query = Bytes(packet), on_reply = std::move(on_reply)](Result<Bytes> reply) mutable {
    if (!reply.ok()) {
      Bytes failure;
      write_failure(parse_query(query), Rcode::ServFail, true, failure);
      reply = std::move(failure);
    }
    on_reply(std::move(reply).value());
  });
}

void Server::count(const Outcome& outcome) {
  if (outcome.step == Step::Silence) counters_.silent.add();
  if (outcome.step == Step::Reply) counters_.replies[static_cast<std::size_t>(outcome.rcode)].add();
  if (outcome.truncated) counters_.truncated.add();
  if (outcome.note == Note::None) return;
  counters_.notes.with({note_text(outcome.note)}).add();
  if (outcome.note == Note::OtherDatacenter) {
    LOG_INFO("dns question about a datacenter that this mesh does not know", {"own", settings_->datacenter});
  }
}

}  // namespace mesh::dns
