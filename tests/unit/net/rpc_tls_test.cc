// Who gets in over TLS. What calls do then: rpc_test.cc, over the transport Http2Tls.
#include "net/rpc_tls.h"

#include "tests/unit/net/rpc_tls_fixture.h"

namespace mesh::net {

namespace {

struct Rig {
  explicit Rig(RpcTlsListenerOptions options = tls_listener_options()) {
    auto made = RpcTlsListener::listen(client, any_loopback_port(), pool, server, std::move(options));
    REQUIRE(made.ok());
    listener = std::move(*made);
  }
  ~Rig() { service.drop(); }
  Result<std::unique_ptr<ByteStream>> dial(const TlsClientOptions& tls) {
    std::optional<Result<std::unique_ptr<ByteStream>>> result;
    TlsDialer dialer(client, pool, [&] { return tls; });
    const auto dial = dialer.dial(listener->local(), client.now() + kTestPatience,
                                  [&](Result<std::unique_ptr<ByteStream>> done) { result = std::move(done); });
    REQUIRE(wait_for(client, [&] { return result.has_value(); }));
    return std::move(*result);
  }
  // What Who answers over a connection with these options, or why there is none.
  std::string who(const TlsClientOptions& tls) {
    auto stream = dial(tls);
    if (!stream.ok()) return std::string(code_name(stream.error().code));
    channel = std::make_unique<RpcHttp2Channel>(std::move(*stream), RpcHttp2ChannelOptions{}, [](const Status&) {});
    Answer answer;
    ask(*this, answer, kWho, "");
    REQUIRE(wait_for(client, [&] { return answer.done(); }));
    return answer.result->ok() ? **answer.result : std::string(code_name(answer.result->error().code));
  }

  HandshakePool pool;
  Loop client{"both"};
  RpcServer server;
  TestService service{server};
  std::unique_ptr<RpcTlsListener> listener;
  std::unique_ptr<RpcChannel> channel;
};

}  // namespace

TEST_CASE("rpc over TLS: the certificate says who calls, and none says that somebody joins") {
  Rig rig;
  EXPECT_EQ(rig.who(tls_client_options()), "2 node-7");
  auto nobody = tls_client_options();
  nobody.identity = nullptr;
  EXPECT_EQ(rig.who(nobody), "1 ");
}

TEST_CASE("rpc over TLS: strangers, wrong names and peers that the server does not want are refused") {
  auto options = tls_listener_options();
  options.peer_of = [known = options.peer_of](const CertificateInfo* certificate) -> Result<RpcPeer> {
    if (certificate == nullptr) return error(Code::Denied, "nobody joins here");
    return known(certificate);
  };
  Rig rig(std::move(options));
  const Authority other("other root");
  auto stranger = tls_client_options();
  stranger.identity = other.identity("spiffe://test.mesh/node-7");
  EXPECT_NE(rig.who(stranger), "2 node-7");
  auto wrong_name = tls_client_options();
  wrong_name.server_name = "other.test";
  EXPECT_EQ(rig.who(wrong_name), "not found");
  auto distrusting = tls_client_options();
  distrusting.trust = other.trust;
  EXPECT_EQ(rig.who(distrusting), "unauthenticated");
  auto unready = tls_client_options();
  unready.trust = nullptr;
  EXPECT_EQ(rig.who(unready), "unavailable");
  auto nobody = tls_client_options();
  nobody.identity = nullptr;
  EXPECT_EQ(rig.who(nobody), "unavailable");
  EXPECT_EQ(rig.who(tls_client_options()), "2 node-7");
}

TEST_CASE("rpc over TLS: handshakes that do not come to an end are bounded in number and time") {
  MetricRegistry registry;
  auto options = tls_listener_options();
  options.handshakes_per_address_max = 2;
  options.handshake_time_max = milliseconds(100);
  options.rpc.metrics = &registry;
  Rig rig(std::move(options));
  std::vector<std::unique_ptr<Stream>> silent;
  for (int n = 0; n < 3; ++n) silent.push_back(connect_to(rig.client, rig.listener->local()));
  RecordingObserver refused;
  silent.back()->set_observer(&refused);
  silent.back()->resume_reading();
  REQUIRE(wait_for(rig.client, [&] { return refused.ended || refused.failure; }));
  EXPECT_EQ(rig.listener->handshakes(), 2u);
  REQUIRE(wait_for(rig.client, [&] { return rig.listener->handshakes() == 0; }));
  const std::string text = registry.prometheus_text();
  EXPECT_NE(text.find("meshd_rpc_server_refused_total{reason=\"handshakes_per_address_max\"} 1\n"), std::string::npos);
  EXPECT_NE(text.find("meshd_rpc_server_refused_total{reason=\"handshake\"} 2\n"), std::string::npos);
}

}  // namespace mesh::net
