#include "agent/identity/join_caller.h"

#include <optional>

#include "model/protocol.h"
#include "model/spiffe.h"
#include "net/loop.h"
#include "net/rpc_http2.h"
#include "net/tcp.h"
#include "net/tls/handshake.h"

namespace mesh::agent {
namespace {

// Pool thread.
Status check_server(const net::CertificateInfo& peer, const std::string& trust_domain) {
  if (peer.uris.size() == 1) {
    const auto id = model::SpiffeId::parse(peer.uris[0]);
    if (id.ok() && id->kind == model::SpiffeId::Kind::Server && id->trust_domain == trust_domain) return {};
  }
  return error(Code::Unauthenticated, "it shows the certificate of '{}', which is no server of {}",
               peer.uris.empty() ? peer.subject : peer.uris[0], trust_domain);
}

// One connection and one call over it: connect, handshake, call.
class Attempt {
 public:
  Attempt(net::Loop& loop, net::HandshakePool& pool, const JoinTrust& trust, const Bytes& request, MonoTime deadline)
      : loop_(loop), pool_(pool), trust_(trust), request_(request), deadline_(deadline) {}

  void start(const net::Endpoint& to) {
    net::ConnectOptions options;
    options.deadline = deadline_;
    connect_ = std::make_unique<net::StreamConnect>(
        loop_, to, options, [this](Result<std::unique_ptr<net::Stream>> stream) { shake_hands(std::move(stream)); });
  }

  std::optional<JoinAnswer> answer;

 private:
  void shake_hands(Result<std::unique_ptr<net::Stream>> stream) {
    if (!stream.ok()) return fail(std::move(stream).error());
    net::TlsClientOptions options;
    options.trust = trust_.pinned_root_key_hash.empty() ? trust_.roots : nullptr;
    options.pinned_root_key_hash = trust_.pinned_root_key_hash;
    options.server_name = model::server_sni(trust_.datacenter, trust_.trust_domain);
    options.alpn = {"h2"};
    options.verify = [domain = trust_.trust_domain](const net::CertificateInfo& peer) { return check_server(peer, domain); };
    options.deadline = deadline_;
    handshake_ = std::make_unique<net::TlsHandshake>(
        pool_, std::move(*stream), std::move(options),
        [this](Result<std::unique_ptr<net::TlsStream>> tls) { ask(std::move(tls)); });
  }

  void ask(Result<std::unique_ptr<net::TlsStream>> tls) {
    if (!tls.ok()) return fail(std::move(tls).error());
    channel_ = std::make_unique<net::RpcHttp2Channel>(std::move(*tls), net::RpcHttp2ChannelOptions{}, [](const Status&) {});
    call_ = channel_->call({model::kJoinPath}, request_, deadline_, [this](Result<Bytes> reply) {
      answer = JoinAnswer{.reached = true, .result = std::move(reply)};
    });
  }

  void fail(Error why) { answer = JoinAnswer{.reached = false, .result = std::move(why)}; }

  net::Loop& loop_;
  net::HandshakePool& pool_;
  const JoinTrust& trust_;
  const Bytes& request_;
  MonoTime deadline_;
  std::unique_ptr<net::StreamConnect> connect_;
  std::unique_ptr<net::TlsHandshake> handshake_;
  std::unique_ptr<net::RpcHttp2Channel> channel_;
  std::unique_ptr<net::RpcCall> call_;
};

class TlsJoinCaller final : public JoinCaller {
 public:
  explicit TlsJoinCaller(JoinTrust trust) : trust_(std::move(trust)), pool_({.threads = 1}), loop_("join") {}

  JoinAnswer call(const std::string& server, const Bytes& request, Duration time_max) override {
    const auto endpoint = net::Endpoint::parse(server);
    if (!endpoint.ok()) return {.reached = false, .result = endpoint.error()};
    Attempt attempt(loop_, pool_, trust_, request, loop_.now() + time_max);
    attempt.start(*endpoint);
    (void)loop_.run_until([&attempt] { return attempt.answer.has_value(); }, time_max + seconds(1));
    if (attempt.answer) return std::move(*attempt.answer);
    return {.reached = false, .result = error(Code::Timeout, "no answer within {} s", duration_cast<seconds>(time_max).count())};
  }

 private:
  JoinTrust trust_;
  net::HandshakePool pool_;
  net::Loop loop_;
};

}  // namespace

std::unique_ptr<JoinCaller> make_tls_join_caller(JoinTrust trust) {
  return std::make_unique<TlsJoinCaller>(std::move(trust));
}

}  // namespace mesh::agent
