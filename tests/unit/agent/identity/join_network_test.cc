// The Join call over real sockets and TLS: a listener as servers have it, on a thread of its own.
#include "agent/identity/join.h"

#include "base/file.h"
#include "base/mailbox.h"
#include "base/thread.h"
#include "model/protocol.h"
#include "net/loop.h"
#include "net/rpc_tls.h"
#include "tests/unit/agent/identity/authority.h"

namespace mesh::agent {
namespace {

class JoinServer {
 public:
  // domain: of the mesh that it belongs to.
  explicit JoinServer(Authority& authority, const std::string& domain = "mesh") : authority_(authority) {
    NodeRecord record = node_record();
    record.kind = model::JoinKind::Server;
    record.domain = domain;
    const std::string name = model::server_sni("dc1", trust_domain_of(record));
    const std::string key = net::make_key_pem();
    const std::string leaf = authority.sign_named(key, node_spiffe_id(record).uri(), {name});
    auto identity = net::TlsIdentity::from_pem(leaf + authority.root().certificate, key);
    REQUIRE(identity.ok());
    auto trust = net::TrustBundle::from_pem({authority.root().certificate});
    REQUIRE(trust.ok());
    rpc_.handle({model::kJoinPath}, [this](net::RpcRequest request, net::RpcReply reply) {
      reply.finish(admit(request));
    });
    thread_ = Thread("join-server", [this, name, identity = *identity, trust = *trust] { serve(name, identity, trust); });
    std::vector<std::string> address;
    REQUIRE(address_.wait(address));
    server = address[0];
  }
  ~JoinServer() {
    loop_.stop();
    thread_.join();
  }

  std::string server;

 private:
  void serve(const std::string& name, std::shared_ptr<const net::TlsIdentity> identity,
             std::shared_ptr<const net::TrustBundle> trust) {
    net::RpcTlsListenerOptions options;
    options.tls = [name, identity, trust] {
      net::TlsServerOptions tls;
      tls.select = [name, identity](std::string_view asked) {
        return asked == name ? identity : std::shared_ptr<const net::TlsIdentity>();
      };
      tls.trust = trust;
      tls.client_certificate = net::ClientCertificate::Optional;
      return tls;
    };
    options.peer_of = [](const net::CertificateInfo* peer) -> Result<net::RpcPeer> {
      if (peer != nullptr) return error(Code::Invalid, "a host that joins has no certificate");
      return net::RpcPeer{.kind = net::RpcPeer::Kind::Joining, .id = {}};
    };
    auto listener = net::RpcTlsListener::listen(loop_, net::Endpoint(net::IpAddress::loopback(), 0), pool_, rpc_, options);
    REQUIRE(listener.ok());
    (void)address_.push((*listener)->local().to_string());
    loop_.run();
  }

  Result<Bytes> admit(const net::RpcRequest& call) {
    const auto request = decode<model::JoinRequest>(call.body);
    if (!request.ok()) return request.error();
    if (request->secret != Bytes(model::kJoinSecretBytes, 's') && !request->token_id.empty())
      return error(Code::Denied, "unknown, used up or expired join token");
    NodeRecord record = node_record();
    record.node_id = request->node_id.text();
    model::JoinResponse response;
    response.cluster.id = record.cluster_id;
    response.certificate = authority_.sign(request->csr, node_spiffe_id(record).uri());
    response.roots = {authority_.root()};
    response.gossip_key = kGossipKey;
    response.servers = {server};
    return encode(response);
  }

  Authority& authority_;
  net::HandshakePool pool_;
  net::RpcServer rpc_;
  net::Loop loop_{"join-server"};
  Mailbox<std::string> address_{1};
  Thread thread_;
};

struct Rig {
  TempDir folder = std::move(TempDir::make()).value();
  Authority authority;
  model::JoinTicket ticket;

  explicit Rig(const std::string& server) {
    ticket.cluster_id = kClusterId;
    ticket.datacenter = "dc1";
    ticket.domain = "mesh";
    ticket.servers = {server};
    ticket.ca_key_hash = authority.key_hash();
    ticket.token_id = "token";
    ticket.secret = Bytes(model::kJoinSecretBytes, 's');
  }
  Result<JoinedNode> join() {
    return join_cluster(ticket, {.data_dir = folder.path(), .node_name = "host-a", .server_time_max = seconds(5)});
  }
};

bool contains(const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; }

TEST_CASE("a host joins over TLS that is pinned to the token's authority, and renews itself over the trusted roots") {
  Rig rig("");
  JoinServer server(rig.authority);
  rig.ticket.servers = {server.server};
  const auto joined = rig.join();
  REQUIRE(joined.ok());
  EXPECT(clock_warning(joined->clock_ahead).empty());
  const NodeFiles files(rig.folder.path());
  const auto before = files.read();
  REQUIRE(before.ok());
  const auto renewed = renew_node(files, seconds(5));
  REQUIRE(renewed.ok());
  const auto after = files.read();
  REQUIRE(after.ok());
  EXPECT_NE(after->identity->leaf().serial, before->identity->leaf().serial);
  EXPECT_EQ(after->identity->leaf().key_hash, before->identity->leaf().key_hash);
}

TEST_CASE("a wrong secret is refused by the server") {
  Rig rig("");
  JoinServer server(rig.authority);
  rig.ticket.servers = {server.server};
  rig.ticket.secret = Bytes(model::kJoinSecretBytes, 'x');
  const auto joined = rig.join();
  REQUIRE(!joined.ok());
  EXPECT_EQ(outcome_of(joined), Code::Denied);
}

TEST_CASE("a server whose authority is another, or of another mesh, is not told the secret") {
  Rig rig("");
  Authority other;
  SUBCASE("the same name, another authority") {
    JoinServer server(other);
    rig.ticket.servers = {server.server};
    const auto joined = rig.join();
    REQUIRE(!joined.ok());
    EXPECT(contains(error_text(joined), "another mesh"));
    EXPECT(contains(error_text(joined), to_hex(rig.ticket.ca_key_hash)));
  }
  SUBCASE("another mesh") {
    JoinServer server(other, "elsewhere");
    rig.ticket.servers = {server.server};
    const auto joined = rig.join();
    REQUIRE(!joined.ok());
    EXPECT(contains(error_text(joined), "another mesh"));
  }
}

TEST_CASE("nobody there: the address and why") {
  Rig rig("127.0.0.1:1");
  const auto joined = rig.join();
  REQUIRE(!joined.ok());
  EXPECT_EQ(outcome_of(joined), Code::Unavailable);
  EXPECT(contains(error_text(joined), "127.0.0.1:1: "));
  EXPECT(contains(error_text(joined), "refused"));
}

}  // namespace
}  // namespace mesh::agent
