#include "agent/identity/join_caller.h"

#include <optional>

#include "agent/server_channel.h"
#include "base/clock.h"
#include "model/protocol.h"
#include "model/spiffe.h"
#include "net/loop.h"
#include "net/rpc_http2.h"
#include "net/rpc_tls.h"

namespace mesh::agent {
namespace {

// One connection and one call over it.
class Attempt {
 public:
  Attempt(net::RpcDialer& dialer, const Bytes& request, MonoTime deadline)
      : dialer_(dialer), request_(request), deadline_(deadline) {}

  void start(const net::Endpoint& to) {
    dial_ = dialer_.dial(to, deadline_, [this](Result<std::unique_ptr<net::ByteStream>> stream) { ask(std::move(stream)); });
  }

  std::optional<JoinAnswer> answer;

 private:
  void ask(Result<std::unique_ptr<net::ByteStream>> stream) {
    if (!stream.ok()) {
      answer = JoinAnswer{.reached = false, .result = std::move(stream).error()};
      return;
    }
    channel_ = std::make_unique<net::RpcHttp2Channel>(std::move(*stream), net::RpcHttp2ChannelOptions{}, [](const Status&) {});
    call_ = channel_->call({model::kJoinPath}, request_, deadline_, [this](Result<Bytes> reply) {
      answer = JoinAnswer{.reached = true, .result = std::move(reply)};
    });
  }

  net::RpcDialer& dialer_;
  const Bytes& request_;
  MonoTime deadline_;
  std::unique_ptr<net::RpcDial> dial_;
  std::unique_ptr<net::RpcHttp2Channel> channel_;
  std::unique_ptr<net::RpcCall> call_;
};

net::TlsClientOptions tls_options(const JoinTrust& trust) {
  net::TlsClientOptions options;
  if (trust.pinned_root_key_hash.empty()) options.trust = trust.roots;
  options.pinned_root_key_hash = trust.pinned_root_key_hash;
  options.server_name = model::server_sni(trust.datacenter, trust.trust_domain);
  options.verify = [cluster = model::ClusterName{trust.trust_domain, trust.datacenter}](const net::CertificateInfo& peer) {
    return verify_server(peer, cluster);
  };
  return options;
}

class TlsJoinCaller final : public JoinCaller {
 public:
  explicit TlsJoinCaller(JoinTrust trust)
      : trust_(std::move(trust)), pool_({.threads = 1}), loop_("join"), dialer_(loop_, pool_, [this] { return tls_options(trust_); }) {}

  JoinAnswer call(const std::string& server, const Bytes& request, Duration time_max) override {
    const auto endpoint = net::Endpoint::parse(server);
    if (!endpoint.ok()) return {.reached = false, .result = endpoint.error()};
    Attempt attempt(dialer_, request, loop_.now() + time_max);
    attempt.start(*endpoint);
    (void)loop_.run_until([&attempt] { return attempt.answer.has_value(); }, time_max + seconds(1));
    if (attempt.answer) return std::move(*attempt.answer);
    return {.reached = false, .result = error(Code::Timeout, "no answer within {} s", duration_cast<seconds>(time_max).count())};
  }

  void pause(Duration time) override { (void)loop_.run_until([] { return false; }, time); }
  MonoTime now() const override { return mono_now(); }

 private:
  JoinTrust trust_;
  net::HandshakePool pool_;
  net::Loop loop_;
  net::TlsDialer dialer_;
};

}  // namespace

std::unique_ptr<JoinCaller> make_tls_join_caller(JoinTrust trust) {
  return std::make_unique<TlsJoinCaller>(std::move(trust));
}

}  // namespace mesh::agent
