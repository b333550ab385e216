#include "agent/identity/join.h"

#include <functional>

#include "base/file.h"
#include "model/protocol.h"
#include "tests/unit/agent/identity/authority.h"

namespace mesh::agent {
namespace {

// Servers as the test says.
class ScriptedCaller final : public JoinCaller {
 public:
  JoinAnswer call(const std::string& server, const Bytes& request, Duration) override {
    asked.push_back(server);
    requests.push_back(*decode<model::JoinRequest>(request));
    return answer(server, requests.back());
  }
  void pause(Duration time) override { time_ += time; }
  MonoTime now() const override { return time_; }

  std::function<JoinAnswer(const std::string&, const model::JoinRequest&)> answer;
  std::vector<std::string> asked;
  std::vector<model::JoinRequest> requests;

 private:
  MonoTime time_{};
};

WallTime stopped_clock{};

struct Rig {
  TempDir folder = std::move(TempDir::make()).value();
  Authority authority;
  ScriptedCaller caller;
  model::JoinTicket ticket;

  Rig() {
    stopped_clock = wall_now();
    ticket.cluster_id = kClusterId;
    ticket.datacenter = "dc1";
    ticket.domain = "mesh";
    ticket.servers = {"10.0.0.1:8300", "10.0.0.2:8300"};
    ticket.ca_key_hash = authority.key_hash();
    ticket.token_id = "token";
    ticket.secret = Bytes(model::kJoinSecretBytes, 's');
    caller.answer = [this](const std::string&, const model::JoinRequest& request) { return admit(request); };
  }
  JoinAnswer admit(const model::JoinRequest& request) {
    NodeRecord record = node_record();
    record.node_id = request.node_id.text();
    record.kind = request.kind;
    model::JoinResponse response;
    if (request.kind == model::JoinKind::Server) {
      response.server_id = 7;
      response.ca_key = "the key";
    }
    response.cluster.id = kClusterId;
    response.certificate = authority.sign(request.csr, node_spiffe_id(record).uri());
    response.roots = {authority.root()};
    response.servers = {"10.0.0.9:8300"};
    response.services = {"web-*"};
    if (!request.token_id.empty()) response.gossip_key = kGossipKey;
    return {.reached = true, .result = encode(response)};
  }
  Result<JoinedNode> join() {
    return join_cluster(ticket, {.data_dir = folder.path() + "/data", .node_name = "host-a"},
                        {.caller = caller, .now = [] { return stopped_clock; }});
  }
  NodeFiles files() { return NodeFiles(folder.path() + "/data"); }
};

bool contains(const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; }

std::string why(const Result<JoinedNode>& joined) { return joined.ok() ? std::string() : joined.error().message; }

JoinAnswer refused(Code code, std::string text) { return {.reached = true, .result = Error(code, std::move(text))}; }
JoinAnswer unreachable(Code code, std::string text) { return {.reached = false, .result = Error(code, std::move(text))}; }

TEST_CASE("a host joins: its files say which node of which cluster it is") {
  Rig rig;
  const auto joined = rig.join();
  REQUIRE(joined.ok());
  EXPECT_EQ(rig.caller.requests[0].token_id, "token");
  EXPECT_EQ(rig.caller.requests[0].node_name, "host-a");
  const auto node = rig.files().read();
  REQUIRE(node.ok());
  EXPECT(node->record == joined->record);
  EXPECT(node->record.servers == std::vector<std::string>{"10.0.0.9:8300"});
  EXPECT(node->record.services == std::vector<std::string>{"web-*"});
  EXPECT_EQ(node->record.node_id, rig.caller.requests[0].node_id.text());
  EXPECT(clock_warning(joined->clock_ahead).empty());
  EXPECT_EQ(node->gossip_key, kGossipKey);
}

TEST_CASE("an answer without a usable gossip key makes no node") {
  Rig rig;
  rig.caller.answer = [&](const std::string&, const model::JoinRequest& request) {
    auto response = *decode<model::JoinResponse>(*rig.admit(request).result);
    response.gossip_key.pop_back();
    return JoinAnswer{.reached = true, .result = encode(response)};
  };
  EXPECT(contains(why(rig.join()), "a gossip key of 31 bytes"));
  EXPECT(*rig.files().state() == JoinState::Begun);
}

TEST_CASE("a future server tells where it will be, and keeps what it is given before it counts as joined") {
  Rig rig;
  rig.ticket.kind = model::JoinKind::Server;
  std::vector<std::string> kept;
  Status outcome = error(Code::Io, "no space");
  const auto join = [&] {
    JoinOptions options{.data_dir = rig.folder.path() + "/data", .node_name = "host-a", .rpc_address = "10.0.0.3:8300"};
    options.keep = [&](const NodeRecord& record, const model::JoinResponse& response) {
      kept.push_back(fmt::format("{} {} {}", record.node_id, response.server_id, response.ca_key));
      EXPECT(*rig.files().state() == JoinState::Begun);
      return outcome;
    };
    return join_cluster(rig.ticket, options, {.caller = rig.caller, .now = [] { return stopped_clock; }});
  };
  EXPECT(outcome_of(join()) == Code::Io);
  EXPECT(*rig.files().state() == JoinState::Begun);
  outcome = {};
  REQUIRE(join().ok());
  EXPECT(*rig.files().state() == JoinState::Joined);
  REQUIRE_EQ(kept.size(), 2);
  EXPECT_EQ(kept[0], kept[1]);  // the same node, repeated
  EXPECT(kept[0].ends_with(" 7 the key"));
  EXPECT_EQ(rig.caller.requests[0].server_address, "10.0.0.3:8300");
  EXPECT(rig.files().read()->record.kind == model::JoinKind::Server);
}

TEST_CASE("the next server is asked when one cannot be reached or cannot decide") {
  Rig rig;
  rig.caller.answer = [&](const std::string& server, const model::JoinRequest& request) {
    return server == "10.0.0.1:8300" ? refused(Code::Unavailable, "no leader") : rig.admit(request);
  };
  EXPECT(rig.join().ok());
  EXPECT_EQ(rig.caller.asked.size(), 2);
}

TEST_CASE("no server at all: every address with its reason, and the next attempt goes on with the same node") {
  Rig rig;
  rig.caller.answer = [](const std::string&, const model::JoinRequest&) {
    return unreachable(Code::Unavailable, "connection refused");
  };
  const std::string message = why(rig.join());
  EXPECT(contains(message, "10.0.0.1:8300: connection refused; 10.0.0.2:8300: connection refused"));
  EXPECT(contains(message, "check that they run"));
  EXPECT(*rig.files().state() == JoinState::Begun);
  rig.caller.answer = [&](const std::string&, const model::JoinRequest& request) { return rig.admit(request); };
  REQUIRE(rig.join().ok());
  EXPECT(rig.caller.requests.front().node_id == rig.caller.requests.back().node_id);
  EXPECT_EQ(net::read_csr(rig.caller.requests.front().csr)->key_hash, net::read_csr(rig.caller.requests.back().csr)->key_hash);
}

TEST_CASE("servers that reset the connection or cannot decide are asked again, with the same request, until one lets the host in") {
  Rig rig;
  int calls = 0;
  std::vector<std::string> told;
  rig.caller.answer = [&](const std::string&, const model::JoinRequest& request) {
    ++calls;
    if (calls <= 2) return unreachable(Code::Unavailable, "read: Connection reset by peer");
    if (calls <= 4) return refused(Code::Timeout, "no answer in time");  // perhaps done, but the answer was lost
    return rig.admit(request);
  };
  JoinOptions options{.data_dir = rig.folder.path() + "/data", .node_name = "host-a"};
  options.on_retry = [&](const std::string& why, Duration) { told.push_back(why); };
  REQUIRE(join_cluster(rig.ticket, options, {.caller = rig.caller, .now = [] { return stopped_clock; }}).ok());
  REQUIRE_EQ(rig.caller.requests.size(), 5u);
  for (const auto& request : rig.caller.requests) EXPECT(request == rig.caller.requests[0]);
  REQUIRE_EQ(told.size(), 2u);
  EXPECT(contains(told[0], "Connection reset"));
  EXPECT(contains(told[1], "no answer in time"));
}

TEST_CASE("joining again and again ends after its time; strangers are not asked twice") {
  Rig rig;
  rig.caller.answer = [](const std::string&, const model::JoinRequest&) { return unreachable(Code::Unavailable, "connection refused"); };
  const MonoTime begin = rig.caller.now();
  EXPECT_FALSE(rig.join().ok());
  EXPECT(rig.caller.now() - begin <= kJoinTimeMax);
  EXPECT(rig.caller.now() - begin > kJoinTimeMax - kJoinPauseMax);
  EXPECT(rig.caller.asked.size() <= 2 * 16);
  rig.caller.asked.clear();
  rig.caller.answer = [](const std::string&, const model::JoinRequest&) { return unreachable(Code::Unauthenticated, "another root"); };
  EXPECT_FALSE(rig.join().ok());
  EXPECT_EQ(rig.caller.asked.size(), 2u);
}

TEST_CASE("a token that is used up is told at once, with the remedy, and no other server is bothered") {
  Rig rig;
  rig.caller.answer = [](const std::string&, const model::JoinRequest&) {
    return refused(Code::Denied, "unknown, used up or expired join token");
  };
  const auto joined = rig.join();
  REQUIRE(!joined.ok());
  EXPECT_EQ(outcome_of(joined), Code::Denied);
  EXPECT(contains(why(joined), "10.0.0.1:8300 does not let this host in: unknown, used up"));
  EXPECT(contains(why(joined), "meshctl token join"));
  EXPECT_EQ(rig.caller.asked.size(), 1);
}

TEST_CASE("a certificate of another mesh: what was expected, what came, and what the clock says") {
  Rig rig;
  rig.caller.answer = [](const std::string&, const model::JoinRequest&) {
    return unreachable(Code::Unauthenticated, "the server's root has key 1234");
  };
  const std::string message = why(rig.join());
  EXPECT(contains(message, "has key 1234"));
  EXPECT(contains(message, to_hex(rig.ticket.ca_key_hash)));
  EXPECT(contains(message, "another mesh"));
  EXPECT(contains(message, "a clock that is far off (here it is "));
}

TEST_CASE("a host that is joined stays what it is") {
  Rig rig;
  REQUIRE(rig.join().ok());
  const auto again = rig.join();
  REQUIRE(!again.ok());
  EXPECT_EQ(outcome_of(again), Code::Precondition);
  EXPECT(contains(why(again), "of cluster c0000000-0000-4000-8000-000000000000 already"));
  EXPECT(contains(why(again), "run 'meshctl leave'"));
  EXPECT(rig.files().read().ok());
}

TEST_CASE("a join of another cluster that was begun and never decided is begun anew") {
  Rig rig;
  NodeRecord other = node_record();
  other.cluster_id = kNodeUuid;
  REQUIRE(rig.files().begin(other, net::make_key_pem()).ok());
  const auto joined = rig.join();
  REQUIRE(joined.ok());
  EXPECT_NE(joined->record.node_id, other.node_id);
}

TEST_CASE("a clock that is off is told with its direction and does not hinder the join") {
  Rig rig;
  stopped_clock += hours(24 * 30);
  const auto joined = rig.join();
  REQUIRE(joined.ok());
  EXPECT(contains(clock_warning(joined->clock_ahead), "2592000 s ahead"));
  EXPECT(clock_warning(seconds(30)).empty());
  EXPECT(contains(clock_warning(seconds(-31)), "31 s behind"));
}

TEST_CASE("an answer that is not for this node and cluster is refused and nothing is kept of it") {
  Rig rig;
  rig.caller.answer = [&](const std::string&, const model::JoinRequest& request) {
    auto answer = rig.admit(request);
    auto response = *decode<model::JoinResponse>(*answer.result);
    SUBCASE("another cluster") { response.cluster.id = kNodeUuid; }
    SUBCASE("another name") { response.certificate = rig.authority.sign(request.csr, service_uri(node_record(), "web")); }
    SUBCASE("another authority") { response.roots = {Authority().root()}; }
    SUBCASE("no certificate") { response.certificate.clear(); }
    return JoinAnswer{.reached = true, .result = encode(response)};
  };
  EXPECT(!rig.join().ok());
  EXPECT(*rig.files().state() == JoinState::Begun);
}

TEST_CASE("an expired node is renewed for its key, without a token") {
  Rig rig;
  const NodeFiles files = joined_node(rig.folder.path(), rig.authority, seconds(-1));
  const auto renewed = renew_node(files, seconds(1), {.caller = rig.caller, .now = [] { return stopped_clock; }});
  REQUIRE(renewed.ok());
  EXPECT(rig.caller.requests[0].token_id.empty());
  EXPECT_EQ(rig.caller.requests[0].node_id.text(), kNodeUuid);
  const auto node = files.read();
  REQUIRE(node.ok());
  EXPECT(node->identity->leaf().not_after > wall_now());
  EXPECT_EQ(rig.caller.asked[0], "10.0.0.1:8300");
}

}  // namespace
}  // namespace mesh::agent
