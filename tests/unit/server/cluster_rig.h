// Whole servers of one cluster in one process: real directories, TLS over loopback, their callers on the same loop; for
// tests. Who is where is told by hand (tell_peers), except what servers learn from each other.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/file.h"
#include "base/metrics.h"
#include "model/spiffe.h"
#include "net/rpc_tls.h"
#include "server/join_cluster.h"
#include "server/peer.h"
#include "tests/unit/net/tls/tls_fixture.h"
#include "tests/unit/server/server_rig.h"

namespace mesh::server {

inline std::string cluster_domain() { return model::trust_domain(kCluster, "mesh"); }

struct ClusterCertificates {
  net::Authority authority;
  // Made once for each node: keys and signatures cost milliseconds.
  std::shared_ptr<const net::TlsIdentity> of(const std::string& node_id) {
    auto& slot = made[node_id];
    if (slot == nullptr) {
      const model::SpiffeId id{model::SpiffeId::Kind::Server, cluster_domain(), "dc1", node_id};
      slot = authority.identity(id.uri(), {model::server_sni("dc1", cluster_domain())});
    }
    return slot;
  }
  std::map<std::string, std::shared_ptr<const net::TlsIdentity>> made;

  static ClusterCertificates& get() {
    static ClusterCertificates certificates;
    return certificates;
  }
};

inline std::string node_of(std::uint64_t server_id) { return fmt::format("{:08}-0000-4000-8000-000000000000", server_id); }

struct MemberOptions {
  std::uint64_t id = 1;
  std::string data_dir;
  std::string node_id;
  std::uint16_t port = 0;
  raft::CoreOptions raft;
  Duration hold_max = kPatience;
  bool keeps_membership = false;
};

// One server, while it runs.
class ClusterMember {
 public:
  ClusterMember(net::Loop& on_loop, net::HandshakePool& pool, const MemberOptions& with) : options(with), loop(on_loop) {
    ServerOptions server_options;
    server_options.data_dir = options.data_dir;
    server_options.seed = options.id;
    server_options.refusal_delay = kRefusalDelay;
    server_options.raft = options.raft;
    server_options.hold_max = options.hold_max;
    server_options.pool = &pool;
    server_options.trust_domain = cluster_domain();
    server_options.metrics = &metrics;
    server_options.keeps_membership = options.keeps_membership;
    auto opened = Server::open(loop, server_options, [](const Error&) { FAIL("a store failed"); });
    if (!opened.ok()) FAIL(opened.error().message);
    server = std::move(*opened);
    listen(pool);
    server->transport().set_address(address().to_string());
    server->set_identity(ClusterCertificates::get().of(options.node_id), ClusterCertificates::get().authority.trust);
    local = std::make_unique<net::LocalRpcListener>(loop, server->rpc());
    channel = local->connect(loop);
  }
  // A crash, as far as other servers can tell. A stop: ClusterRig::stop.
  ~ClusterMember() {
    channel.reset();
    local.reset();
    listener.reset();
    server.reset();
  }
  void listen(net::HandshakePool& pool) {
    const model::ClusterName cluster{cluster_domain(), "dc1"};
    net::RpcTlsListenerOptions tls;
    tls.tls = [node_id = options.node_id] {
      net::TlsServerOptions out;
      out.select = [node_id](std::string_view) { return ClusterCertificates::get().of(node_id); };
      out.trust = ClusterCertificates::get().authority.trust;
      out.client_certificate = net::ClientCertificate::Optional;
      return out;
    };
    tls.peer_of = [cluster](const net::CertificateInfo* certificate) { return peer_of(cluster, certificate); };
    auto made = net::RpcTlsListener::listen(loop, net::Endpoint(net::IpAddress::loopback(), options.port), pool, server->rpc(),
                                            std::move(tls));
    if (!made.ok()) FAIL(made.error().message);
    listener = std::move(*made);
  }
  [[nodiscard]] net::Endpoint address() const { return listener->local(); }
  [[nodiscard]] RaftPeer peer() const { return {raft::ServerId(options.id), options.node_id, address()}; }

  MemberOptions options;
  net::Loop& loop;
  MetricRegistry metrics;
  std::unique_ptr<Server> server;
  std::unique_ptr<net::RpcTlsListener> listener;
  std::unique_ptr<net::LocalRpcListener> local;
  std::unique_ptr<net::RpcChannel> channel;
};

struct ClusterOptions {
  bool keeps_membership = false;  // false: the tests change the configuration
};

class ClusterRig {
 public:
  explicit ClusterRig(ClusterOptions with = {}) : options(with) {
    // All servers share this loop, and a loaded machine is no failure.
    raft.election_timeout = seconds(1);
    raft.heartbeat_interval = milliseconds(50);
    const CreatedCluster made = make_cluster(data_dir(1), true, "");
    nodes[1] = made.node_id;
    start(1);
    REQUIRE(wait([&] { return server(1).host().serves() && server(1).state().catalog().cluster() != nullptr; }));
  }
  ~ClusterRig() { members.clear(); }

  [[nodiscard]] std::string data_dir(std::uint64_t id) const { return dir.file(fmt::format("server-{}", id)); }
  bool wait(UniqueFunction<bool()> done) { return loop.run_until(std::move(done), kPatience); }
  Server& server(std::uint64_t id) { return *members.at(id)->server; }

  // The directory of a server that has joined and knows nothing yet.
  void make_joined(std::uint64_t id, std::string_view cluster_id = kCluster) {
    nodes.try_emplace(id, node_of(id));
    ServerIdentity identity;
    identity.version = kIdentityVersion;
    identity.cluster_id = std::string(cluster_id);
    identity.server_id = id;
    identity.datacenter = "dc1";
    identity.node_id = nodes[id];
    const auto key = read_ca_key(data_dir(1));
    REQUIRE((key.ok() && key->has_value()));
    REQUIRE(join_cluster(data_dir(id), identity, (*key)->text()).ok());
  }
  // As Join records it.
  void admit(std::uint64_t id) {
    model::JoinTokenPutCommand token;
    token.token.id = "99999999-0000-4000-8000-000000000000";
    token.token.secret_hash = Bytes(32, 's');
    token.token.kind = model::JoinKind::Server;
    token.token.services = {"*"};
    token.token.uses_left = 10;
    token.token.expires_at = wall_now() + hours(1);
    model::AdmitCommand body;
    body.token_id = token.token.id;
    body.secret_hash = token.token.secret_hash;
    body.member.node_id = model::NodeId(nodes[id]);
    body.member.kind = model::JoinKind::Server;
    body.member.name = fmt::format("server-{}", id);
    body.member.key_hash = Bytes(32, 'k');
    body.leaf.serial = fmt::format("{:02}", id);
    body.leaf.node_id = body.member.node_id;
    body.leaf.uri = "spiffe://x";
    body.leaf.not_before = wall_now() - hours(1);
    body.leaf.not_after = wall_now() + hours(1);
    propose(model::make_command(token));
    propose(model::make_command(body));
  }
  void propose(model::Command command) {
    command.time = wall_now();
    command.random = Bytes(model::kCommandRandomBytes, 'r');
    std::optional<Result<Bytes>> result;
    server(leader()).host().propose(model::encode_command(command), [&](Result<Bytes> got) { result = std::move(got); });
    REQUIRE(wait([&] { return result.has_value(); }));
    const Status status = status_of(*result);
    if (!status.ok()) FAIL(status.error().message);
  }
  ClusterMember& start(std::uint64_t id, std::uint16_t port = 0) {
    members[id] = std::make_unique<ClusterMember>(loop, pool, MemberOptions{id, data_dir(id), nodes[id], port, raft, hold_max, options.keeps_membership});
    return *members[id];
  }
  void tell_peers(std::uint64_t to) {
    std::vector<RaftPeer> peers;
    for (const auto& [id, member] : members) peers.push_back(member->peer());
    server(to).transport().set_peers(peers);
  }
  // Joins, as a voter. Only the leader is told where it is.
  void add(std::uint64_t id) {
    make_joined(id);
    admit(id);
    start(id);
    for (const auto& [other, member] : members) {
      if (other != id) tell_peers(other);
    }
    change(raft::MembershipChange::Kind::AddLearner, id);
    REQUIRE(wait([&] { return server(id).host().core().configuration().contains(raft::ServerId(id)); }));
    change(raft::MembershipChange::Kind::Promote, id);
    REQUIRE(wait([&] { return server(id).host().core().configuration().is_voter(raft::ServerId(id)); }));
  }
  void change(raft::MembershipChange::Kind kind, std::uint64_t id) {
    std::optional<Result<raft::LogPosition>> result;
    for (const MonoTime until = loop.now() + kPatience; loop.now() < until && !(result && result->ok());) {
      result.reset();
      server(leader()).host().change_members({kind, raft::ServerId(id)}, [&](Result<raft::LogPosition> got) { result = std::move(got); });
      REQUIRE(wait([&] { return result.has_value(); }));
    }
    if (!result->ok()) FAIL(result->error().message);
  }
  void grow() {
    add(2);
    add(3);
    EXPECT(agree());  // the rows of the table of servers, which the tests do not fill, are read
    for (const auto& [id, member] : members) tell_peers(id);
  }
  std::uint64_t leader() {
    std::uint64_t found = 0;
    REQUIRE(wait([&] {
      for (const auto& [id, member] : members) {
        if (member->server->host().serves()) found = id;
      }
      return found != 0;
    }));
    return found;
  }
  std::uint64_t follower() {
    const std::uint64_t leading = leader();
    for (const auto& [id, member] : members) {
      if (id != leading) return id;
    }
    return 0;
  }
  void stop(std::uint64_t id) {
    bool stopped = false;
    server(id).stop([&] { stopped = true; });
    REQUIRE(wait([&] { return stopped; }));
    members.erase(id);
  }
  void crash(std::uint64_t id) { members.erase(id); }

  using Slot = std::shared_ptr<std::optional<Result<Bytes>>>;
  struct Started {
    Slot slot;
    std::unique_ptr<net::RpcCall> call;
    [[nodiscard]] bool done() const { return slot->has_value(); }
  };
  Started start_call(std::uint64_t at, std::string_view path, Bytes request, Duration within = kPatience) {
    Started out{std::make_shared<std::optional<Result<Bytes>>>(), nullptr};
    out.call = members.at(at)->channel->call({path}, std::move(request), loop.now() + within,
                                             [slot = out.slot](Result<Bytes> result) { *slot = std::move(result); });
    return out;
  }
  template <class Response>
  Result<Response> call(std::uint64_t at, std::string_view path, Bytes request, Duration within = kPatience) {
    const Started started = start_call(at, path, std::move(request), within);
    REQUIRE(wait([&] { return started.done(); }));
    if (!(*started.slot)->ok()) return (*started.slot)->error();
    return decode<Response>(***started.slot);
  }
  static Bytes put_request(const std::string& key, const std::string& value, std::string id = "") {
    model::ApplyRequest request;
    request.command = model::make_command(kv_command(model::KvOp::Set, key, value));
    request.command.request_id = std::move(id);
    return encode(request);
  }
  Result<model::CommandResult> put(std::uint64_t at, const std::string& key, const std::string& value) {
    return call<model::CommandResult>(at, model::kApplyPath, put_request(key, value));
  }
  Result<model::KvReadResponse> get(std::uint64_t at, const std::string& key, model::ReadMode mode = model::ReadMode::Default) {
    model::KvReadRequest request;
    request.key = key;
    request.mode = mode;
    return call<model::KvReadResponse>(at, model::kKvReadPath, encode(request));
  }
  std::string value_at(std::uint64_t at, const std::string& key, model::ReadMode mode = model::ReadMode::Default) {
    const auto answer = get(at, key, mode);
    if (!answer.ok()) return "error: " + answer.error().message;
    return answer->entries.empty() ? "nothing" : answer->entries[0].value;
  }
  // Every server has applied the same and holds the same.
  bool agree() {
    return wait([&] {
      const Server& first = *members.begin()->second->server;
      for (const auto& [id, member] : members) {
        if (member->server->host().core().applied() != first.host().core().last().index) return false;
        if (member->server->state().hash() != first.state().hash()) return false;
      }
      return true;
    });
  }

  TempDir dir = TempDir::make().value();
  raft::CoreOptions raft;
  Duration hold_max = kPatience;  // of calls, for a leader
  ClusterOptions options;
  net::HandshakePool pool;
  net::Loop loop{"raft"};
  std::map<std::uint64_t, std::string> nodes;
  std::map<std::uint64_t, std::unique_ptr<ClusterMember>> members;
};

}  // namespace mesh::server
