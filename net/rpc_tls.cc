#include "net/rpc_tls.h"

#include <list>
#include <map>

#include "base/log.h"
#include "net/loop.h"
#include "net/rpc_metrics.h"
#include "net/tcp.h"

namespace mesh::net {

namespace {

const std::vector<std::string> kAlpn = {"h2"};

// Connect, then shake hands, within one deadline.
class TlsDial final : public RpcDial {
 public:
  TlsDial(Loop& loop, HandshakePool& pool, TlsClientOptions options, const Endpoint& to, MonoTime deadline,
          RpcDialer::OnDone on_done)
      : loop_(loop),
        pool_(pool),
        options_(std::move(options)),
        on_done_(std::move(on_done)),
        connect_(std::make_unique<StreamConnect>(loop, to, ConnectOptions{.deadline = deadline},
                                                 [this](Result<std::unique_ptr<Stream>> stream) { connected(std::move(stream)); })) {
    options_.deadline = deadline;
    options_.alpn = kAlpn;
  }

 private:
  void connected(Result<std::unique_ptr<Stream>> stream) {
    loop_.destroy_later(std::move(connect_));
    if (!stream.ok()) return on_done_(std::move(stream).error());
    handshake_ = std::make_unique<TlsHandshake>(pool_, std::move(*stream), std::move(options_),
                                                [this](Result<std::unique_ptr<TlsStream>> done) { shaken(std::move(done)); });
  }
  void shaken(Result<std::unique_ptr<TlsStream>> done) {
    if (done.ok()) on_done_(std::unique_ptr<ByteStream>(std::move(*done)));
    else on_done_(std::move(done).error());
  }

  Loop& loop_;
  HandshakePool& pool_;
  TlsClientOptions options_;
  RpcDialer::OnDone on_done_;
  std::unique_ptr<StreamConnect> connect_;
  std::unique_ptr<TlsHandshake> handshake_;
};

// A dial that cannot begin: fails on the next turn.
class NoDial final : public RpcDial {
 public:
  NoDial(Loop& loop, Error why, RpcDialer::OnDone on_done) : on_done_(std::make_shared<RpcDialer::OnDone>(std::move(on_done))) {
    loop.defer([weak = std::weak_ptr(on_done_), why = std::move(why)]() mutable {
      if (const auto fn = weak.lock(); fn != nullptr) (*fn)(std::move(why));
    });
  }

 private:
  std::shared_ptr<RpcDialer::OnDone> on_done_;
};

}  // namespace

std::unique_ptr<RpcDial> TlsDialer::dial(const Endpoint& to, MonoTime deadline, OnDone on_done) {
  TlsClientOptions options = options_();
  if (options.trust == nullptr && options.pinned_root_key_hash.empty())
    return std::make_unique<NoDial>(loop_, error(Code::Unavailable, "no root certificate is known yet"), std::move(on_done));
  return std::make_unique<TlsDial>(loop_, pool_, std::move(options), to, deadline, std::move(on_done));
}

// ---- the listener ----

struct RpcTlsListener::Core {
  Core(Loop& on_loop, HandshakePool& with_pool, RpcServer& server, RpcTlsListenerOptions with)
      : loop(on_loop), pool(with_pool), options(std::move(with)), metrics(options.rpc.metrics, "server"), rpc(on_loop, server, options.rpc) {}

  using Handshakes = std::list<std::unique_ptr<TlsHandshake>>;
  void accepted(std::unique_ptr<Stream> stream);
  void shaken(Handshakes::iterator which, const IpAddress& from, Result<std::unique_ptr<TlsStream>> stream);
  void refuse(std::string_view reason) { metrics.refused(reason); }

  Loop& loop;
  HandshakePool& pool;
  RpcTlsListenerOptions options;
  RpcMetrics metrics;
  RpcHttp2Listener rpc;
  Handshakes handshakes;
  std::map<IpAddress, std::size_t> by_address;  // handshakes under way
  std::unique_ptr<StreamListener> sockets;
};

void RpcTlsListener::Core::accepted(std::unique_ptr<Stream> stream) {
  const IpAddress from = stream->remote().is_unix() ? IpAddress() : stream->remote().address().ip;
  TlsServerOptions tls = options.tls();
  if (tls.trust == nullptr) return refuse("not_ready");
  if (handshakes.size() >= options.handshakes_max) return refuse("handshakes_max");
  std::size_t& count = by_address[from];
  if (count >= options.handshakes_per_address_max) return refuse("handshakes_per_address_max");
  ++count;
  tls.deadline = loop.now() + options.handshake_time_max;
  tls.alpn = kAlpn;
  const auto which = handshakes.insert(handshakes.end(), nullptr);
  *which = std::make_unique<TlsHandshake>(pool, std::move(stream), std::move(tls),
                                          [this, which, from](Result<std::unique_ptr<TlsStream>> done) {
                                            shaken(which, from, std::move(done));
                                          });
}

void RpcTlsListener::Core::shaken(Handshakes::iterator which, const IpAddress& from,
                                  Result<std::unique_ptr<TlsStream>> stream) {
  loop.destroy_later(std::move(*which));
  handshakes.erase(which);
  if (const auto count = by_address.find(from); --count->second == 0) by_address.erase(count);
  if (!stream.ok()) {
    refuse("handshake");
    LOG_INFO("an RPC connection proved nobody", {"from", from.to_string()}, {"why", stream.error().message});
    return;
  }
  auto peer = options.peer_of((*stream)->peer());
  if (!peer.ok()) {
    refuse("peer");
    LOG_INFO("an RPC connection was refused", {"from", from.to_string()}, {"why", peer.error().message});
    return;
  }
  rpc.adopt(std::move(*stream), std::move(*peer));
}

RpcTlsListener::RpcTlsListener(std::unique_ptr<Core> core) : core_(std::move(core)) {}
RpcTlsListener::~RpcTlsListener() = default;

Result<std::unique_ptr<RpcTlsListener>> RpcTlsListener::listen(Loop& loop, const Endpoint& where, HandshakePool& pool,
                                                               RpcServer& server, RpcTlsListenerOptions options) {
  CHECK(options.tls && options.peer_of);
  auto core = std::make_unique<Core>(loop, pool, server, std::move(options));
  MESH_TRY(sockets, StreamListener::listen(loop, where, {}, [raw = core.get()](std::unique_ptr<Stream> stream) {
             raw->accepted(std::move(stream));
           }));
  core->sockets = std::move(sockets);
  return std::unique_ptr<RpcTlsListener>(new RpcTlsListener(std::move(core)));
}

const Endpoint& RpcTlsListener::local() const { return core_->sockets->local(); }
void RpcTlsListener::stop(MonoTime deadline, UniqueFunction<void()> on_stopped) {
  core_->sockets->pause();
  core_->handshakes.clear();
  core_->rpc.stop(deadline, std::move(on_stopped));
}
std::size_t RpcTlsListener::connections() const { return core_->rpc.connections(); }
std::size_t RpcTlsListener::handshakes() const { return core_->handshakes.size(); }

}  // namespace mesh::net
