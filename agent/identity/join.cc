#include "agent/identity/join.h"

#include <algorithm>
#include <functional>
#include <optional>

#include "base/clock.h"
#include "base/log.h"
#include "base/time_text.h"
#include "model/protocol.h"
#include "net/crypto.h"
#include "net/random_uuid.h"
#include "net/tls/certificate.h"

namespace mesh::agent {
namespace {

constexpr Duration kBackdated = minutes(10);  // by servers, for clocks that are behind (DESIGN: time)

struct Prepared {
  NodeRecord record;
  std::string key_pem;
};

// As long as no server has answered, node.json of another cluster is what an abandoned join left.
Result<Prepared> prepare(const NodeFiles& files, const model::JoinTicket& ticket, const std::string& node_name) {
  Prepared node;
  MESH_TRY(state, files.state());
  if (state != JoinState::None) {
    MESH_TRY(record, files.read_record());
    if (state == JoinState::Joined)
      return error(Code::Precondition, "{} belongs to node {} ({}) of cluster {}{}; run 'meshctl leave' before another join",
                   files.data_dir(), record.name, record.node_id, record.cluster_id,
                   record.cluster_id == ticket.cluster_id ? " already, the one that the token is for" : "");
    if (record.cluster_id == ticket.cluster_id && record.kind == ticket.kind) {
      MESH_TRY(key, files.read_key());
      node.record.node_id = record.node_id;
      node.key_pem = std::move(key);
    }
  }
  if (node.key_pem.empty()) {
    node.record.node_id = net::random_uuid();
    node.key_pem = net::make_key_pem();
  }
  node.record.version = kNodeRecordVersion;
  node.record.name = node_name;
  node.record.cluster_id = ticket.cluster_id;
  node.record.datacenter = ticket.datacenter;
  node.record.domain = ticket.domain;
  node.record.kind = ticket.kind;
  node.record.servers = ticket.servers;
  node.record.ca_key_hash = to_hex(ticket.ca_key_hash);
  return node;
}

// What is to be done with the answer besides.
using Keep = std::function<Status(const NodeRecord&, const model::JoinResponse&)>;

model::JoinRequest request_for(const NodeRecord& record, Bytes csr) {
  model::JoinRequest request;
  request.version = model::kJoinVersion;
  request.cluster_id = record.cluster_id;
  request.datacenter = record.datacenter;
  request.node_id = model::NodeId(record.node_id);
  request.node_name = record.name;
  request.kind = record.kind;
  request.csr = std::move(csr);
  return request;
}

// The server is there, but cannot decide now; another may.
bool try_another(Code code) {
  return code == Code::Unavailable || code == Code::Timeout || code == Code::Overloaded;
}

// Of a connection: somebody is there, who does not prove to be a server of this mesh or takes us for a stranger.
bool is_stranger(Code code) {
  return code == Code::Unauthenticated || code == Code::Denied || code == Code::NotFound;
}

struct Answered {
  std::string server;
  model::JoinResponse response;
};

// For the one who holds the token, or the node that was revoked.
Error refusal(const std::string& server, const Error& why, bool with_token) {
  if (why.code == Code::Denied && with_token)
    return error(why.code, "{} does not let this host in: {}; make a new token with 'meshctl token join'", server, why.message);
  return error(why.code, "{} does not let this host in: {}", server, why.message);
}

struct Patience {
  Duration server_time_max = kJoinServerTimeMax;
  Duration time_max{};  // 0: one round
  std::function<void(const std::string&, Duration)> on_retry = nullptr;
};

// Asks one server after the other until one decides, and all of them again while there is time: a repeated call takes no
// further use of the token. Strangers only: they will not be the servers in a while either.
class Asker {
 public:
  Asker(JoinWays ways, const Patience& patience, const NodeRecord& record) : ways_(ways), patience_(patience), record_(record) {}

  Result<Answered> run(const model::JoinRequest& request) {
    const Bytes bytes = encode(request);
    const MonoTime end = ways_.caller.now() + patience_.time_max;
    for (Duration pause = kJoinPauseMin;; pause = std::min(pause * 2, kJoinPauseMax)) {
      auto answered = round(request, bytes, end);
      if (answered) return std::move(*answered);
      if (strangers_ == asked_ || ways_.caller.now() + pause >= end) return none_reached();
      if (patience_.on_retry) patience_.on_retry(reasons_, pause);
      ways_.caller.pause(pause);
    }
  }

 private:
  // Nothing: nobody has decided.
  std::optional<Result<Answered>> round(const model::JoinRequest& request, const Bytes& bytes, MonoTime end) {
    reasons_.clear();
    strangers_ = asked_ = 0;
    const std::size_t count = std::min(record_.servers.size(), kJoinServersTried);
    for (std::size_t i = 0; i < count; ++i) {
      const std::string& server = record_.servers[i];
      if (i != 0 && patience_.time_max > Duration{} && ways_.caller.now() >= end) break;
      JoinAnswer answer = ways_.caller.call(server, bytes, patience_.server_time_max);
      ++asked_;
      if (answer.result.ok()) return read(server, *answer.result);
      const Error& why = answer.result.error();
      if (answer.reached && !try_another(why.code)) return Result<Answered>(refusal(server, why, !request.token_id.empty()));
      strangers_ += !answer.reached && is_stranger(why.code) ? 1 : 0;
      note(server, why);
    }
    return std::nullopt;
  }

  static Result<Answered> read(const std::string& server, ByteView bytes) {
    MESH_TRY(response, decode<model::JoinResponse>(bytes).context("while reading the answer of {}", server));
    return Answered{server, std::move(response)};
  }

  void note(const std::string& server, const Error& why) {
    if (!reasons_.empty()) reasons_ += "; ";
    reasons_ += fmt::format("{}: {}", server, why.message);
  }

  [[nodiscard]] Error none_reached() const {
    if (strangers_ == 0)
      return error(Code::Unavailable, "no server could be asked ({}); check that they run and that their port is open from here",
                   reasons_);
    return error(Code::Unavailable,
                 "no server of the cluster could be asked ({}); expected is the authority with key {}; a token of another mesh "
                 "or an address that is another's shows so, and a clock that is far off (here it is {})",
                 reasons_, record_.ca_key_hash, format_time(std::chrono::floor<seconds>(ways_.now())));
  }

  JoinWays ways_;
  const Patience& patience_;
  const NodeRecord& record_;
  std::string reasons_;  // of the last round, as the numbers
  std::size_t strangers_ = 0;
  std::size_t asked_ = 0;
};

// That the answer makes this node of this cluster, under the authority that was expected.
Result<std::shared_ptr<const net::TlsIdentity>> check_answer(const Answered& answered, const Prepared& node) {
  const model::JoinResponse& response = answered.response;
  if (response.cluster.id != node.record.cluster_id)
    return error(Code::Precondition, "{} belongs to cluster {}, not to {}", answered.server, response.cluster.id,
                 node.record.cluster_id);
  MESH_TRY(identity, net::TlsIdentity::from_pem(response.certificate, node.key_pem));
  const std::string wanted = node_spiffe_id(node.record).uri();
  if (identity->leaf().uris != std::vector<std::string>{wanted})
    return error(Code::Corrupt, "{} gave a certificate of another name than {}", answered.server, wanted);
  std::vector<std::string> pems;
  for (const model::CaRoot& root : response.roots) pems.push_back(root.certificate);
  MESH_TRY(trust, net::TrustBundle::from_pem(pems));
  // At a time at which it is valid for sure: this host's clock may be far off, which is reported but does not hinder.
  MESH_TRY(leaf, trust->verify(response.certificate, identity->leaf().not_before + kBackdated));
  return identity;
}

Result<JoinedNode> obtain(const NodeFiles& files, Prepared node, model::JoinRequest request, const Patience& patience, JoinWays ways,
                          const Keep& keep = nullptr) {
  const bool with_token = !request.token_id.empty();  // a renewal brings no secrets
  MESH_TRY(answered, Asker(ways, patience, node.record).run(request));
  const WallTime now = ways.now();
  MESH_TRY(identity, check_answer(answered, node).context("while reading the answer of {}", answered.server));
  if (!answered.response.servers.empty()) node.record.servers = answered.response.servers;
  if (!answered.response.services.empty()) node.record.services = answered.response.services;
  if (keep) MESH_TRY_STATUS(keep(node.record, answered.response));
  if (with_token) {
    MESH_TRY_STATUS(files.write_gossip_key(answered.response.gossip_key).context("while reading the answer of {}", answered.server));
  }
  MESH_TRY_STATUS(files.finish(node.record, answered.response.certificate, answered.response.roots));
  JoinedNode joined;
  joined.record = std::move(node.record);
  joined.cluster = std::move(answered.response.cluster);
  joined.server = std::move(answered.server);
  joined.clock_ahead = now - (identity->leaf().not_before + kBackdated);
  if (const std::string warning = clock_warning(joined.clock_ahead); !warning.empty())
    LOG_WARN("this host's clock is off", {"what", warning});
  return joined;
}

JoinTrust trust_of(const NodeIdentity& node) {
  return {.datacenter = node.record.datacenter,
          .trust_domain = trust_domain_of(node.record),
          .pinned_root_key_hash = {},
          .roots = node.trust};
}

}  // namespace

std::string clock_warning(Duration clock_ahead) {
  const Duration off = clock_ahead < Duration{} ? -clock_ahead : clock_ahead;
  if (off <= kClockSkewMax) return {};
  return fmt::format("this host's clock is {} s {} the servers'; set it (timedatectl set-ntp true)",
                     duration_cast<seconds>(off).count(), clock_ahead < Duration{} ? "behind" : "ahead of");
}

Result<JoinedNode> join_cluster(const model::JoinTicket& ticket, const JoinOptions& options, JoinWays ways) {
  CHECK(ticket.kind != model::JoinKind::Server || options.keep, "a server that keeps nothing");
  const NodeFiles files(options.data_dir);
  MESH_TRY(node, prepare(files, ticket, options.node_name));
  MESH_TRY_STATUS(files.begin(node.record, node.key_pem));
  MESH_TRY(csr, net::make_csr(node.key_pem));
  model::JoinRequest request = request_for(node.record, std::move(csr));
  request.token_id = ticket.token_id;
  request.secret = ticket.secret;
  if (ticket.kind == model::JoinKind::Server) request.server_address = options.rpc_address;
  return obtain(files, std::move(node), std::move(request),
                {options.server_time_max, options.time_max, options.on_retry}, ways, options.keep);
}

Result<JoinedNode> join_cluster(const model::JoinTicket& ticket, const JoinOptions& options) {
  const auto caller = make_tls_join_caller({.datacenter = ticket.datacenter,
                                            .trust_domain = model::trust_domain(ticket.cluster_id, ticket.domain),
                                            .pinned_root_key_hash = ticket.ca_key_hash});
  return join_cluster(ticket, options, {.caller = *caller, .now = wall_now});
}

Result<JoinedNode> renew_node(const NodeFiles& files, Duration server_time_max, JoinWays ways) {
  MESH_TRY(node, files.read());
  MESH_TRY(csr, net::make_csr(node.key_pem));
  model::JoinRequest request = request_for(node.record, std::move(csr));
  return obtain(files, {.record = std::move(node.record), .key_pem = std::move(node.key_pem)}, std::move(request),
                {.server_time_max = server_time_max}, ways);
}

Result<JoinedNode> renew_node(const NodeFiles& files, Duration server_time_max) {
  MESH_TRY(node, files.read());
  const auto caller = make_tls_join_caller(trust_of(node));
  return renew_node(files, server_time_max, {.caller = *caller, .now = wall_now});
}

}  // namespace mesh::agent
