// Join, Sign and tokens over RPC, on a whole server: what a host gets, and what it is refused.
#include "server/identity_service.h"

#include "base/base64.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mailbox.h"
#include "model/join_ticket.h"
#include "model/spiffe.h"
#include "net/crypto.h"
#include "net/tls/identity.h"
#include "tests/test.h"
#include "tests/unit/server/server_rig.h"

namespace mesh::server {
namespace {

using Kind = net::RpcPeer::Kind;

constexpr std::string_view kNode = "11111111-0000-4000-8000-000000000000";
constexpr std::string_view kOther = "22222222-0000-4000-8000-000000000000";

// A server under default deny, and a host that wants to join it.
class JoinRig : public ServerRig {
 public:
  JoinRig(const std::string& data_dir, CreatedCluster created) : ServerRig(data_dir), made(std::move(created)) {}

  Result<model::JoinTokenCreateResponse> create_token(model::JoinTokenCreateRequest request) {
    return call<model::JoinTokenCreateResponse>(model::kJoinTokenCreatePath, request);
  }
  model::JoinTicket ticket(std::vector<std::string> services = {}, std::uint32_t uses = 0,
                           model::JoinKind kind = model::JoinKind::Agent) {
    model::JoinTokenCreateRequest request;
    request.services = std::move(services);
    request.uses = uses;
    request.kind = kind;
    const auto response = create_token(request);
    if (!response.ok()) FAIL(response.error().message);
    return model::JoinTicket::parse(response->text).value();
  }
  model::JoinRequest join_request(const model::JoinTicket& ticket, std::string_view node = kNode,
                                  std::string name = "host-a") {
    model::JoinRequest request;
    request.version = model::kJoinVersion;
    request.cluster_id = ticket.cluster_id;
    request.datacenter = ticket.datacenter;
    request.token_id = ticket.token_id;
    request.secret = ticket.secret;
    request.kind = ticket.kind;
    if (ticket.kind == model::JoinKind::Server) request.server_address = "10.0.0.2:8300";
    request.node_id = model::NodeId(std::string(node));
    request.node_name = std::move(name);
    request.csr = csr;
    return request;
  }
  Result<model::JoinResponse> join(const model::JoinRequest& request) {
    act_as({Kind::Joining, ""});
    auto response = call<model::JoinResponse>(model::kJoinPath, request);
    act_as({});
    return response;
  }
  Result<model::SignResponse> sign(std::string service, std::string_view node = kNode, std::string_view asked_for = "") {
    model::SignRequest request;
    request.service = std::move(service);
    request.node_id = model::NodeId(std::string(asked_for));
    request.csr = csr;
    act_as({Kind::Agent, std::string(node)});
    auto response = call<model::SignResponse>(model::kSignPath, request);
    act_as({});
    return response;
  }
  Result<model::CommandResult> register_as_agent(std::string service, std::string_view node = kNode,
                                                 std::string name = "host-a") {
    model::RegisterCommand body = registration(std::move(name), std::move(service));
    body.node.id = model::NodeId(std::string(node));
    act_as({Kind::Agent, std::string(node)});
    auto result = apply(body);
    act_as({});
    return result;
  }
  Result<net::CertificateInfo> verified(const std::string& chain) {
    const auto trust = net::TrustBundle::from_pem({made.root.certificate});
    REQUIRE(trust.ok());
    return (*trust)->verify(chain, wall_now());
  }

  CreatedCluster made;
  Bytes key = net::make_key_pem();
  Bytes csr = net::make_csr(key).value();
};

struct Fixture {
  TempDir dir = TempDir::make().value();
  CreatedCluster made = make_cluster(dir.file("server"), false);
  JoinRig rig{dir.file("server"), made};
  std::string domain = model::trust_domain(made.cluster_id, "mesh");
};

TEST_CASE("a host joins with a token, registers what it may, and gets certificates for that") {
  Fixture f;
  const model::JoinTicket ticket = f.rig.ticket({"web", "db-*"});
  EXPECT_EQ(ticket.servers, (std::vector<std::string>{"127.0.0.1:8300"}));
  EXPECT_EQ(ticket.ca_key_hash, net::read_certificates(f.made.root.certificate)->front().key_hash);
  const auto joined = f.rig.join(f.rig.join_request(ticket));
  if (!joined.ok()) FAIL(joined.error().message);
  EXPECT_EQ(joined->cluster.id, f.made.cluster_id);
  EXPECT_EQ(joined->services, (std::vector<std::string>{"web", "db-*"}));
  EXPECT(joined->ca_key.empty());
  EXPECT_EQ(joined->gossip_key, f.made.gossip_key);
  REQUIRE_EQ(joined->roots.size(), 1);
  const auto node = f.rig.verified(joined->certificate);
  REQUIRE(node.ok());
  EXPECT_EQ(node->uris, (std::vector<std::string>{"spiffe://" + f.domain + "/agent/client/dc/dc1/id/" + std::string(kNode)}));
  EXPECT_EQ(node->key_hash, net::key_hash_of(f.rig.key).value());
  EXPECT(net::TlsIdentity::from_pem(joined->certificate, f.rig.key).ok());

  EXPECT_EQ(f.rig.register_as_agent("web")->code, 0);
  EXPECT(outcome_of(f.rig.register_as_agent("shop")) == Code::Denied);
  const auto web = f.rig.sign("web");
  if (!web.ok()) FAIL(web.error().message);
  const auto leaf = f.rig.verified(web->certificate);
  REQUIRE(leaf.ok());
  EXPECT_EQ(leaf->uris, (std::vector<std::string>{"spiffe://" + f.domain + "/ns/default/dc/dc1/svc/web"}));
  EXPECT_EQ(leaf->dns_names, (std::vector<std::string>{model::service_sni("web", "dc1", f.domain), model::node_dns_name(kNode, "dc1", f.domain)}));
  EXPECT(leaf->not_before < wall_now() - minutes(9));
  EXPECT_FALSE(leaf->authority);
  // What was handed out is recorded: the first server's, the node's, the service's.
  EXPECT_EQ(f.rig.server->state().leaf_count(), 3);
  EXPECT(f.rig.server->state().leaf(model::leaf_key(leaf->not_after, leaf->serial)) != nullptr);
  EXPECT(f.rig.sign("").ok());
}

TEST_CASE("a certificate for a service that the node does not run, or may not run, is refused") {
  Fixture f;
  REQUIRE(f.rig.join(f.rig.join_request(f.rig.ticket({"web", "db-*"}, 2))).ok());
  REQUIRE(f.rig.register_as_agent("web").ok());
  const std::size_t leaves = f.rig.server->state().leaf_count();
  EXPECT(outcome_of(f.rig.sign("shop")) == Code::Denied);
  EXPECT(outcome_of(f.rig.sign("db-1")) == Code::NotFound);
  EXPECT(outcome_of(f.rig.sign("query")) == Code::Invalid);
  EXPECT(outcome_of(f.rig.sign("web", kOther)) == Code::Denied);      // no member
  EXPECT(outcome_of(f.rig.sign("web", kNode, kOther)) == Code::Denied);  // for somebody else
  f.rig.csr = net::make_csr(net::make_key_pem()).value();
  EXPECT(outcome_of(f.rig.sign("")) == Code::Denied);  // the node's own needs the recorded key
  EXPECT(f.rig.sign("web").ok());                       // a service's may have any
  f.rig.csr = "no request";
  EXPECT(outcome_of(f.rig.sign("web")) == Code::Invalid);
  f.rig.csr = Bytes(IdentityService::kCsrBytesMax + 1, 'x');
  EXPECT(outcome_of(f.rig.sign("web")) == Code::Invalid);
  EXPECT_EQ(f.rig.server->state().leaf_count(), leaves + 1);
}

TEST_CASE("wrong, used up and deleted join tokens are refused alike, and late") {
  Fixture f;
  const model::JoinTicket ticket = f.rig.ticket({"*"}, 1);
  const auto refused = [&](const model::JoinRequest& request) {
    const MonoTime before = f.rig.loop.now();
    const auto answer = f.rig.join(request);
    REQUIRE_FALSE(answer.ok());
    EXPECT(outcome_of(answer) == Code::Denied);
    EXPECT_EQ(error_text(answer), "unknown, used up or expired join token");
    EXPECT(f.rig.loop.now() - before >= kRefusalDelay);
  };
  model::JoinRequest wrong = f.rig.join_request(ticket);
  wrong.secret[0] = static_cast<char>(wrong.secret[0] ^ 1);
  refused(wrong);
  wrong = f.rig.join_request(ticket);
  wrong.token_id = kOther;
  refused(wrong);
  wrong = f.rig.join_request(ticket);
  wrong.kind = model::JoinKind::Server;
  refused(wrong);
  wrong = f.rig.join_request(ticket);  // a renewal by nobody
  wrong.token_id.clear();
  refused(wrong);
  REQUIRE(f.rig.join(f.rig.join_request(ticket)).ok());
  refused(f.rig.join_request(ticket, kOther, "host-b"));
  model::JoinTokenDeleteCommand gone;
  gone.id = ticket.token_id;
  REQUIRE(f.rig.apply(gone).ok());
  refused(f.rig.join_request(ticket));
  EXPECT_EQ(f.rig.server->state().members().size(), 2);
}

TEST_CASE("a repeated join takes no use, a second host does") {
  Fixture f;
  const model::JoinTicket ticket = f.rig.ticket({}, 2);
  REQUIRE(f.rig.join(f.rig.join_request(ticket)).ok());
  REQUIRE(f.rig.join(f.rig.join_request(ticket)).ok());
  EXPECT_EQ(f.rig.server->state().join_token(ticket.token_id)->uses_left, 1);
  EXPECT(outcome_of(f.rig.join(f.rig.join_request(ticket, kOther, "HOST-A"))) == Code::Conflict);  // its name
  EXPECT(f.rig.join(f.rig.join_request(ticket, kOther, "host-b")).ok());
}

TEST_CASE("a host of another cluster, datacenter or version is told so") {
  Fixture f;
  const model::JoinTicket ticket = f.rig.ticket();
  model::JoinRequest request = f.rig.join_request(ticket);
  request.cluster_id = kOther;
  EXPECT(outcome_of(f.rig.join(request)) == Code::Precondition);
  request = f.rig.join_request(ticket);
  request.datacenter = "dc2";
  EXPECT(outcome_of(f.rig.join(request)) == Code::Precondition);
  request = f.rig.join_request(ticket);
  request.version = 2;
  EXPECT(outcome_of(f.rig.join(request)) == Code::Unsupported);
  request = f.rig.join_request(ticket, "host-a");
  EXPECT(outcome_of(f.rig.join(request)) == Code::Invalid);
  request = f.rig.join_request(ticket, kNode, "a/b");
  EXPECT(outcome_of(f.rig.join(request)) == Code::Invalid);
  request = f.rig.join_request(ticket);
  request.csr = "x";
  EXPECT(outcome_of(f.rig.join(request)) == Code::Invalid);
  request.csr = Bytes(100'000, 'x');
  EXPECT(outcome_of(f.rig.join(request)) == Code::Invalid);
  EXPECT_EQ(f.rig.server->state().join_token(ticket.token_id)->uses_left, 1);
}

TEST_CASE("a node whose certificate expired renews it with its key, and under a new name") {
  Fixture f;
  const model::JoinTicket ticket = f.rig.ticket({"web"});
  REQUIRE(f.rig.join(f.rig.join_request(ticket)).ok());
  model::JoinRequest renewal = f.rig.join_request(ticket, kNode, "host-z");
  renewal.token_id.clear();
  renewal.secret.clear();
  const auto renewed = f.rig.join(renewal);
  if (!renewed.ok()) FAIL(renewed.error().message);
  EXPECT_EQ(renewed->services, (std::vector<std::string>{"web"}));
  EXPECT_EQ(f.rig.server->state().member(kNode)->name, "host-z");
  renewal.csr = net::make_csr(net::make_key_pem()).value();
  EXPECT(outcome_of(f.rig.join(renewal)) == Code::Denied);
}

TEST_CASE("a server that joins gets what opens the CA's key, once and for a secret only") {
  Fixture f;
  const model::JoinTicket ticket = f.rig.ticket({}, 1, model::JoinKind::Server);
  const model::JoinRequest request = f.rig.join_request(ticket);
  const auto joined = f.rig.join(request);
  if (!joined.ok()) FAIL(joined.error().message);
  EXPECT_EQ(joined->server_id, 2);
  EXPECT_EQ(f.rig.server->state().catalog().server(2)->address, "10.0.0.2:8300");
  EXPECT_EQ(joined->servers, (std::vector<std::string>{"127.0.0.1:8300", "10.0.0.2:8300"}));
  EXPECT_EQ(joined->ca_key, read_file(f.dir.file("server/ca.key"), ByteCount(1000)).value());
  EXPECT_EQ(f.rig.verified(joined->certificate)->dns_names, (std::vector<std::string>{model::server_sni("dc1", f.domain)}));
  EXPECT_EQ(net::read_certificates(joined->certificate)->size(), 2);
  model::JoinRequest renewal = request;
  renewal.token_id.clear();
  renewal.secret.clear();
  const auto renewed = f.rig.join(renewal);
  REQUIRE(renewed.ok());
  EXPECT(renewed->ca_key.empty());
  EXPECT(renewed->gossip_key.empty());
}

TEST_CASE("a host that would be a server must say where it is reached") {
  Fixture f;
  model::JoinRequest request = f.rig.join_request(f.rig.ticket({}, 1, model::JoinKind::Server));
  for (const char* address : {"", "10.0.0.2", "10.0.0.2:0", "server:8300"}) {
    CAPTURE(address);
    request.server_address = address;
    EXPECT(outcome_of(f.rig.join(request)) == Code::Invalid);
  }
  EXPECT_EQ(f.rig.server->state().servers().size(), 1);
}

TEST_CASE("a member that is removed loses its streams and is refused everything") {
  Fixture f;
  REQUIRE(f.rig.join(f.rig.join_request(f.rig.ticket())).ok());
  const auto agent = f.rig.listener->connect(f.rig.loop, {Kind::Agent, std::string(kNode)});
  WatchClient watcher(*agent, {});
  REQUIRE(f.rig.wait([&] { return watcher.catalog.cluster() != nullptr; }));
  model::MemberRevokeCommand body;
  body.node_id = model::NodeId(std::string(kNode));
  REQUIRE(f.rig.apply(body).ok());
  REQUIRE(f.rig.wait([&] { return watcher.end.has_value(); }));
  EXPECT(outcome_of(*watcher.end) == Code::Denied);
  EXPECT(outcome_of(f.rig.sign("")) == Code::Denied);
  EXPECT(outcome_of(f.rig.register_as_agent("web")) == Code::Denied);
  model::JoinRequest renewal = f.rig.join_request(f.rig.ticket());
  renewal.token_id.clear();
  EXPECT(outcome_of(f.rig.join(renewal)) == Code::Denied);
}

TEST_CASE("what gossip tells a leader becomes the health of nodes that joined, and who ends a watch is told to gossip") {
  Fixture f;
  REQUIRE(f.rig.join(f.rig.join_request(f.rig.ticket())).ok());
  REQUIRE(f.rig.register_as_agent("web").ok());
  const auto is = [&](model::CheckStatus status) {
    return f.rig.wait([&] {
      const model::Check* check = f.rig.server->state().catalog().check(kNode, model::kSerfHealth);
      return check != nullptr && check->status == status;
    });
  };
  gossip::MemberEvent event;
  event.kind = gossip::MemberEventKind::Joined;
  event.member.id = Uuid::parse(kNode).value();
  f.rig.server->on_member(event);
  f.rig.server->gossip_started();
  REQUIRE(is(model::CheckStatus::Passing));
  event.kind = gossip::MemberEventKind::Failed;
  event.member.state = gossip::MemberState::Failed;
  f.rig.server->on_member(event);
  REQUIRE(is(model::CheckStatus::Critical));
  EXPECT(f.rig.server->state().catalog().instances_of("web")[0].status == model::CheckStatus::Critical);

  std::string ended;
  f.rig.server->set_on_stream_end([&](const std::string& node_id) { ended = node_id; });
  auto agent = f.rig.listener->connect(f.rig.loop, {Kind::Agent, std::string(kNode)});
  {
    WatchClient watcher(*agent, {});
    REQUIRE(f.rig.wait([&] { return watcher.catalog.cluster() != nullptr; }));
    EXPECT_EQ(ended, "");
  }
  EXPECT(f.rig.wait([&] { return ended == kNode; }));
}

TEST_CASE("under default deny an agent needs the management token for what is not its own") {
  Fixture f;
  REQUIRE(f.rig.join(f.rig.join_request(f.rig.ticket())).ok());
  f.rig.act_as({Kind::Agent, std::string(kNode)});
  const model::KvCommand put = kv_command(model::KvOp::Set, "k", "v");
  EXPECT(outcome_of(f.rig.apply(put)) == Code::Denied);
  EXPECT(outcome_of(f.rig.apply(put, "", "guess")) == Code::Denied);
  EXPECT(f.rig.apply(put, "", f.made.management_token).ok());
  EXPECT(outcome_of(f.rig.kv("k")) == Code::Denied);
  model::KvReadRequest read;
  read.key = "k";
  read.token = f.made.management_token;
  EXPECT_EQ(f.rig.call<model::KvReadResponse>(model::kKvReadPath, read)->entries.size(), 1);
  model::JoinTokenCreateRequest create;
  EXPECT(outcome_of(f.rig.create_token(create)) == Code::Denied);
  create.token = f.made.management_token;
  EXPECT(f.rig.create_token(create).ok());
  model::TokenCheckRequest check;
  check.token = f.made.management_token;
  EXPECT(f.rig.call<model::TokenCheckResponse>(model::kTokenCheckPath, check)->management);
  check.token = "guess";
  EXPECT(outcome_of(f.rig.call<model::TokenCheckResponse>(model::kTokenCheckPath, check)) == Code::Denied);
  model::InitCommand again;
  again.cluster_id = std::string(kCluster);
  again.datacenter = "dc1";
  again.domain = "mesh";
  EXPECT(outcome_of(f.rig.apply(again, "", f.made.management_token)) == Code::Denied);
}

TEST_CASE("join tokens are listed without what would open them, and bad wishes are refused") {
  Fixture f;
  const model::JoinTicket ticket = f.rig.ticket({"web"}, 7);
  const auto list = f.rig.call<model::JoinTokenListResponse>(model::kJoinTokenListPath, model::JoinTokenListRequest{});
  REQUIRE(list.ok());
  REQUIRE_EQ(list->tokens.size(), 1);
  EXPECT_EQ(list->tokens[0].id, ticket.token_id);
  EXPECT_EQ(list->tokens[0].uses_left, 7);
  EXPECT(list->tokens[0].secret_hash.empty());
  const auto refused = [&](auto change) {
    model::JoinTokenCreateRequest request;
    change(request);
    EXPECT(outcome_of(f.rig.create_token(request)) == Code::Invalid);
  };
  refused([](auto& r) { r.uses = model::kJoinTokenUsesMax + 1; });
  refused([](auto& r) { r.life = model::kJoinTokenLifeMax + seconds(1); });
  refused([](auto& r) { r.life = seconds(-1); });
  refused([](auto& r) { r.services = {"a*b"}; });
  refused([](auto& r) { r.services = {""}; });
  refused([](auto& r) { r.services.assign(65, "web"); });
  refused([](auto& r) { r.description = std::string(300, 'x'); });
}

TEST_CASE("a call that a server passes on is decided by its original caller") {
  Fixture f;
  REQUIRE(f.rig.join(f.rig.join_request(f.rig.ticket({"web"}))).ok());
  model::ApplyRequest inner;
  inner.command = model::make_command(kv_command(model::KvOp::Set, "k", "v"));
  model::ForwardRequest forward;
  forward.path = model::kApplyPath;
  forward.body = encode(inner);
  forward.caller_kind = model::ForwardKind::Agent;
  forward.caller_id = kNode;
  const auto as = [&](net::RpcPeer peer) {
    f.rig.act_as(std::move(peer));
    return f.rig.call<model::CommandResult>(model::kForwardPath, forward);
  };
  const net::RpcPeer server{Kind::Server, f.made.node_id};
  EXPECT(outcome_of(as(server)) == Code::Denied);  // the agent may not
  forward.caller_kind = model::ForwardKind::Server;
  forward.caller_id = f.made.node_id;
  EXPECT(as(server).ok());
  EXPECT(outcome_of(as({Kind::Agent, std::string(kNode)})) == Code::Denied);  // agents pass nothing on
  EXPECT(outcome_of(as({})) == Code::Denied);
  EXPECT(outcome_of(as({Kind::Joining, ""})) == Code::Denied);
  forward.path = model::kForwardPath;
  EXPECT(outcome_of(as(server)) == Code::Invalid);
  forward.path = "/mesh.Server/None";
  EXPECT(outcome_of(as(server)) == Code::Unsupported);
  forward.path = model::kJoinPath;
  forward.caller_kind = model::ForwardKind::Joining;
  f.rig.act_as({});
  forward.body = encode(f.rig.join_request(f.rig.ticket(), kOther, "host-b"));
  f.rig.act_as(server);
  EXPECT(f.rig.call<model::JoinResponse>(model::kForwardPath, forward).ok());
}

// Keeps what is logged, from any thread.
class KeepingSink final : public LogSink {
 public:
  KeepingSink() : before_(set_log_sink(this)) {}
  ~KeepingSink() override { set_log_sink(before_); }
  void write(LogLevel, std::string_view line) override { (void)lines_.push(std::string(line)); }
  std::string text() {
    std::vector<std::string> lines;
    (void)lines_.wait_until(lines, MonoTime());
    for (const std::string& line : lines) text_ += line + "\n";
    return text_;
  }

 private:
  Mailbox<std::string> lines_{10'000};
  std::string text_;
  LogSink* before_;
};

// Every byte that a watching agent is sent.
class RawWatch final : public net::RpcStreamObserver {
 public:
  explicit RawWatch(net::RpcChannel& channel) {
    model::WatchRequest request;
    request.version = model::kWatchVersion;
    stream_ = channel.open({model::kWatchPath}, encode(request), *this);
  }
  void on_message(ByteView bytes) override { text += bytes; }
  void on_end(Status) override {}
  std::string text;

 private:
  std::unique_ptr<net::RpcStream> stream_;
};

TEST_CASE("no secret is logged or sent to watching agents, whatever happens with it") {
  KeepingSink sink;
  std::vector<std::string> secrets;
  std::string seen;
  {
    Fixture f;
    RawWatch watch(*f.rig.channel);
    const model::JoinTicket ticket = f.rig.ticket({"*"}, 3);
    model::JoinRequest wrong = f.rig.join_request(ticket, kOther, "host-b");
    wrong.secret = Bytes(32, 'W');
    EXPECT_FALSE(f.rig.join(wrong).ok());
    REQUIRE(f.rig.join(f.rig.join_request(ticket)).ok());
    EXPECT_FALSE(f.rig.join(f.rig.join_request(ticket, kOther, "host-a")).ok());
    const model::JoinTicket server = f.rig.ticket({}, 1, model::JoinKind::Server);
    REQUIRE(f.rig.join(f.rig.join_request(server, "33333333-0000-4000-8000-000000000000", "host-c")).ok());
    EXPECT(f.rig.apply(kv_command(model::KvOp::Set, "k"), "", f.made.management_token).ok());
    (void)f.rig.apply(kv_command(model::KvOp::Set, "k"), "", "wrong-management-token");
    const std::uint64_t index = f.rig.apply(registration("host-z", "web"))->index;
    REQUIRE(f.rig.wait([&] { return f.rig.server->state().catalog().index() >= index && watch.text.find("host-z") != std::string::npos; }));
    const State& state = f.rig.server->state();
    const model::SealedKey* sealed = state.sealed_key(f.made.root.id);
    for (const std::string& secret : {ticket.secret, net::sha256(ticket.secret), server.secret, wrong.secret, f.made.management_token,
                                      net::sha256(f.made.management_token), std::string("wrong-management-token"), sealed->sealed,
                                      read_file(f.dir.file("server/ca.key"), ByteCount(1000)).value().substr(15, 40)}) {
      secrets.push_back(secret);
      secrets.push_back(to_hex(secret));
      secrets.push_back(base64_encode(secret).substr(0, 20));
    }
    secrets.push_back(ticket.text().substr(6, 40));
    secrets.push_back("PRIVATE KEY");
    EXPECT(watch.text.find("BEGIN CERTIFICATE") != std::string::npos);  // the root is there
    seen = watch.text;
  }
  EXPECT(sink.text().find("a host was refused") != std::string::npos);
  seen += sink.text();
  for (const std::string& secret : secrets) EXPECT_EQ(seen.find(secret), std::string::npos);
}

TEST_CASE("a server without the key file says so, and serves the rest") {
  const TempDir dir = TempDir::make().value();
  CreatedCluster made = make_cluster(dir.file("server"), false);
  REQUIRE(remove_tree(dir.file("server/ca.key")).ok());
  JoinRig rig(dir.file("server"), made);
  const auto answer = rig.create_token({});
  REQUIRE_FALSE(answer.ok());
  EXPECT(outcome_of(answer) == Code::Precondition);
  EXPECT(error_text(answer).find("ca.key") != std::string::npos);
  EXPECT(rig.apply(kv_command(model::KvOp::Set, "k")).ok());
}

TEST_CASE("more certificates at a time than the limit are refused, and those under way are answered") {
  Fixture f;
  REQUIRE(f.rig.join(f.rig.join_request(f.rig.ticket())).ok());
  f.rig.act_as({Kind::Agent, std::string(kNode)});
  model::SignRequest request;
  request.csr = "not worth the arithmetic";
  std::size_t overloaded = 0, invalid = 0;
  std::vector<std::unique_ptr<net::RpcCall>> calls;
  constexpr std::size_t count = IdentityService::kIssuingMax + 10;
  for (std::size_t i = 0; i < count; ++i) {
    calls.push_back(f.rig.channel->call({model::kSignPath}, encode(request), f.rig.loop.now() + kPatience, [&](Result<Bytes> r) {
      overloaded += r.error().code == Code::Overloaded ? 1 : 0;
      invalid += r.error().code == Code::Invalid ? 1 : 0;
    }));
  }
  REQUIRE(f.rig.wait([&] { return overloaded + invalid == count; }));
  EXPECT_GE(invalid, IdentityService::kIssuingMax);
}

}  // namespace
}  // namespace mesh::server
