// Servers that join and leave a running cluster: rows, Raft's configuration and those who ask, over TLS.
#include "base/clock.h"
#include "server/members.h"
#include "tests/unit/server/cluster_rig.h"

namespace mesh::server {
namespace {

constexpr const char* kServerToken = "70000000-0000-4000-8000-000000000000";
const Bytes kTokenHash(32, 's');

struct JoinRig : ClusterRig {
  JoinRig() : ClusterRig({.keeps_membership = true}) {
    model::JoinTokenPutCommand token;
    token.token.id = kServerToken;
    token.token.kind = model::JoinKind::Server;
    token.token.secret_hash = kTokenHash;
    token.token.uses_left = 9;
    token.token.expires_at = wall_now() + hours(1);
    propose(model::make_command(token));
  }
  // What the Join call and the host's own program do.
  void join(std::uint64_t id) {
    make_joined(id);
    model::AdmitCommand admit;
    admit.token_id = kServerToken;
    admit.secret_hash = kTokenHash;
    admit.member.node_id = model::NodeId(nodes[id]);
    admit.member.name = fmt::format("host-{}", id);
    admit.member.kind = model::JoinKind::Server;
    admit.member.key_hash = Bytes(32, 'k');
    admit.leaf.node_id = admit.member.node_id;
    admit.leaf.serial = "01";
    admit.leaf.not_after = wall_now() + hours(1);
    admit.server_address = start(id).address().to_string();
    propose(model::make_command(admit));
  }
  [[nodiscard]] bool voters(std::size_t count) {
    return wait([&] {
      for (const auto& [id, member] : members) {
        const raft::Configuration& configuration = member->server->host().core().configuration();
        if (configuration.voters.size() != count || !configuration.learners.empty()) return false;
      }
      return true;
    });
  }
  [[nodiscard]] Bytes leave_request(std::uint64_t id) {
    model::MemberRevokeCommand body;
    body.node_id = model::NodeId(nodes[id]);
    model::ApplyRequest request;
    request.command = model::make_command(body);
    request.command.request_id = fmt::format("{:016}", id);
    return encode(request);
  }
  Result<model::CommandResult> leave(std::uint64_t at, std::uint64_t id) {
    return call<model::CommandResult>(at, model::kApplyPath, leave_request(id), seconds(10));
  }
};

TEST_CASE("servers that join become voters by themselves, and any server tells of all") {
  JoinRig rig;
  rig.join(2);
  REQUIRE(rig.voters(2));
  rig.join(3);
  REQUIRE(rig.voters(3));
  const auto status = rig.call<model::StatusResponse>(rig.follower(), model::kLeaderStatusPath, {});
  REQUIRE(status.ok());
  REQUIRE_EQ(status->servers.size(), 3);
  int leaders = 0, heard = 0;
  for (const model::ServerStatus& server : status->servers) {
    leaders += server.role == model::ServerRole::Leader ? 1 : 0;
    heard += server.last_contact.has_value() ? 1 : 0;
  }
  EXPECT_EQ(leaders, 1);
  EXPECT_EQ(heard, 2);
  EXPECT_EQ(status->servers[1].name, "host-2");
}

TEST_CASE("a server that leaves is out of Raft when it is told so; a leader hands over first; the last one stays") {
  JoinRig rig;
  rig.join(2);
  REQUIRE(rig.voters(2));
  rig.join(3);
  REQUIRE(rig.voters(3));
  const std::uint64_t first = rig.follower();
  const auto left = rig.leave(first, first);
  REQUIRE(left.ok());
  EXPECT_EQ(left->code, 0);
  EXPECT_FALSE(rig.server(rig.leader()).host().core().configuration().contains(raft::ServerId(first)));
  rig.stop(first);
  REQUIRE(rig.voters(2));
  const std::uint64_t second = rig.leader();
  const auto led = rig.leave(second, second);
  if (!led.ok()) FAIL(led.error().message);
  EXPECT_EQ(led->code, 0);
  rig.crash(second);
  REQUIRE(rig.voters(1));
  const std::uint64_t last = rig.leader();
  const auto refused = rig.leave(last, last);
  REQUIRE_FALSE(refused.ok());
  EXPECT(refused.error().code == Code::Precondition);
}

TEST_CASE("a server that was removed while another one was away is not spoken with by it, after a snapshot too") {
  JoinRig rig;
  rig.raft.compact_bytes = ByteCount{20'000};
  rig.raft.compact_tail_bytes = ByteCount{1'000};
  rig.stop(1);
  rig.start(1);
  for (const std::uint64_t id : {2u, 3u, 4u}) {
    rig.join(id);
    REQUIRE(rig.voters(id));
  }
  const std::uint64_t leading = rig.leader();
  const std::uint64_t away = leading == 4 ? 3 : 4;
  const std::uint64_t gone = leading == 2 ? 1 : 2;
  const raft::Index known = rig.server(away).host().core().last().index;
  const std::uint16_t away_port = rig.members.at(away)->address().address().port;
  const std::uint16_t leading_port = rig.members.at(leading)->address().address().port;
  rig.stop(away);
  const auto left = rig.leave(leading, gone);
  if (!left.ok()) FAIL(left.error().message);
  for (int n = 0; n < 300; ++n) REQUIRE(rig.put(leading, fmt::format("k{}", n), std::string(200, 'v')).ok());
  rig.stop(leading);  // flushes, so that the log may be cut
  rig.start(leading, leading_port);
  const std::uint64_t now_leads = rig.leader();
  REQUIRE(rig.put(now_leads, "last", "v").ok());
  rig.start(away, away_port);
  REQUIRE(rig.wait([&] { return rig.server(away).host().core().applied() == rig.server(now_leads).host().core().last().index; }));
  EXPECT_GT(rig.server(away).host().core().base().index, known);
  EXPECT(check_speaks_as_server(rig.server(away).state(), rig.nodes[gone]).error().code == Code::Denied);
  const std::size_t others = rig.members.size() - 2;  // not itself, not the one that is gone and still runs
  REQUIRE(rig.wait([&] { return rig.server(away).transport().streams() == others * kRaftLanes; }));
  EXPECT_EQ(rig.server(away).transport().guests(), 0u);
}

TEST_CASE("servers that leave at the same time go one after the other, and the rest keeps a majority") {
  JoinRig rig;
  rig.join(2);
  REQUIRE(rig.voters(2));
  rig.join(3);
  REQUIRE(rig.voters(3));
  const std::uint64_t stays = rig.leader();
  std::vector<ClusterRig::Started> calls;
  for (const std::uint64_t id : {1u, 2u, 3u}) {
    if (id != stays) calls.push_back(rig.start_call(stays, model::kApplyPath, rig.leave_request(id)));
  }
  REQUIRE(rig.wait([&] { return std::all_of(calls.begin(), calls.end(), [](const auto& each) { return each.done(); }); }));
  for (const auto& each : calls) {
    if (!(*each.slot)->ok()) FAIL((*each.slot)->error().message);
    EXPECT_EQ(decode<model::CommandResult>(***each.slot)->code, 0);
  }
  EXPECT_EQ(rig.leader(), stays);
  EXPECT_EQ(rig.server(stays).host().core().configuration().voters.size(), 1u);
  EXPECT(rig.put(stays, "k", "v").ok());
}

TEST_CASE("a dead server is removed by those that are left, but not one whose end would leave no majority") {
  JoinRig rig;
  rig.join(2);
  REQUIRE(rig.voters(2));
  rig.join(3);
  REQUIRE(rig.voters(3));
  const std::uint64_t leading = rig.leader(), dead = rig.follower();
  const std::uint64_t alive = 6 - leading - dead;
  rig.crash(dead);
  REQUIRE(rig.wait([&] {
    for (const raft::FollowerView& each : rig.server(leading).host().core().followers()) {
      if (each.id == raft::ServerId(dead)) return rig.loop.now() - each.heard > MembershipPlan::kLiveWindow;
    }
    return false;
  }));
  const auto refused = rig.leave(leading, alive);
  REQUIRE_FALSE(refused.ok());
  EXPECT(refused.error().code == Code::Precondition);
  const auto done = rig.leave(leading, dead);
  REQUIRE(done.ok());
  EXPECT_EQ(done->code, 0);
  REQUIRE(rig.voters(2));
}

}  // namespace
}  // namespace mesh::server
