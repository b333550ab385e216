// The transport "HTTP/2 over TLS" for the contract of rpc.h.
#pragma once

#include "net/rpc_tls.h"
#include "tests/unit/net/rpc_fixture.h"
#include "tests/unit/net/tls/tls_fixture.h"

namespace mesh::net {

// Made once: keys and signatures cost milliseconds.
struct RpcTlsNames {
  Authority authority;
  std::shared_ptr<const TlsIdentity> server = authority.identity("spiffe://test.mesh/server", {"server.test"});
  std::shared_ptr<const TlsIdentity> client = authority.identity("spiffe://test.mesh/node-7");

  static const RpcTlsNames& get() {
    static const RpcTlsNames names;
    return names;
  }
};

inline RpcTlsListenerOptions tls_listener_options() {
  RpcTlsListenerOptions options;
  options.tls = [] {
    TlsServerOptions tls;
    tls.select = [](std::string_view name) { return name == "server.test" ? RpcTlsNames::get().server : nullptr; };
    tls.trust = RpcTlsNames::get().authority.trust;
    tls.client_certificate = ClientCertificate::Optional;
    return tls;
  };
  options.peer_of = [](const CertificateInfo* certificate) -> Result<RpcPeer> {
    if (certificate == nullptr) return RpcPeer{RpcPeer::Kind::Joining, ""};
    const std::string& uri = certificate->uris.at(0);
    return RpcPeer{RpcPeer::Kind::Agent, uri.substr(uri.rfind('/') + 1)};
  };
  return options;
}

inline TlsClientOptions tls_client_options() {
  TlsClientOptions tls;
  tls.identity = RpcTlsNames::get().client;
  tls.trust = RpcTlsNames::get().authority.trust;
  tls.server_name = "server.test";
  return tls;
}

inline std::unique_ptr<ByteStream> dial_with(Loop& loop, RpcDialer& dialer, const Endpoint& where) {
  std::unique_ptr<ByteStream> stream;
  const auto dial = dialer.dial(where, loop.now() + kTestPatience, [&](Result<std::unique_ptr<ByteStream>> result) {
    REQUIRE(result.ok());
    stream = std::move(*result);
  });
  REQUIRE(wait_for(loop, [&] { return stream != nullptr; }));
  return stream;
}

struct Http2Tls {
  HandshakePool pool;
  Loop client{"client"};
  Loop server_loop{"server"};
  RpcServer server;
  TestService service{server};
  std::unique_ptr<RpcTlsListener> listener = listen();
  const Endpoint where = listener->local();
  Thread thread{"server", [this] { server_loop.run(); }};
  TlsDialer dialer{client, pool, tls_client_options};
  std::unique_ptr<RpcChannel> channel = std::make_unique<RpcHttp2Channel>(dial_with(client, dialer, where),
                                                                          RpcHttp2ChannelOptions{}, [](const Status&) {});

  std::unique_ptr<RpcTlsListener> listen() {
    auto made = RpcTlsListener::listen(server_loop, any_loopback_port(), pool, server, tls_listener_options());
    REQUIRE(made.ok());
    return std::move(*made);
  }
  void on_server(UniqueFunction<void()> fn) { server_loop.post(std::move(fn)); }
  void end_server() {
    server_loop.post([this] { listener.reset(); });
  }
  ~Http2Tls() {
    server_loop.post([this] {
      service.drop();
      listener.reset();
    });
    server_loop.stop();
    thread.join();
  }
};

}  // namespace mesh::net
