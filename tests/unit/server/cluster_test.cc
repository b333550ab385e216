// Three whole servers over TLS: writes and reads at each of them, changes of leader, catching up, strangers.
#include "tests/unit/server/cluster_rig.h"

#include "tests/test.h"

namespace mesh::server {
namespace {

std::string request_id(int n) { return fmt::format("{:016}", n); }

TEST_CASE("servers that join become voters, and each of them takes writes and reads") {
  ClusterRig rig;
  rig.grow();
  for (const std::uint64_t id : {1u, 2u, 3u}) {
    const auto written = rig.put(id, fmt::format("k{}", id), "v");
    REQUIRE(written.ok());
    EXPECT(written->applied);
  }
  for (const std::uint64_t id : {1u, 2u, 3u}) {
    for (const auto mode : {model::ReadMode::Default, model::ReadMode::Consistent}) {
      for (const std::uint64_t key : {1u, 2u, 3u}) EXPECT_EQ(rig.value_at(id, fmt::format("k{}", key), mode), "v");
    }
  }
  EXPECT(rig.agree());
}

TEST_CASE("a leader that stops hands over, and calls at other servers see a pause at most") {
  ClusterRig rig;
  rig.grow();
  const std::uint64_t old = rig.leader();
  const std::uint64_t at = rig.follower();
  std::vector<ClusterRig::Started> calls;
  for (int n = 0; n < 20; ++n) calls.push_back(rig.start_call(at, model::kApplyPath, rig.put_request(fmt::format("k{}", n), "v", request_id(n))));
  rig.stop(old);
  for (int n = 20; n < 40; ++n) calls.push_back(rig.start_call(at, model::kApplyPath, rig.put_request(fmt::format("k{}", n), "v", request_id(n))));
  REQUIRE(rig.wait([&] { return std::all_of(calls.begin(), calls.end(), [](const auto& call) { return call.done(); }); }));
  for (const auto& call : calls) {
    if (!(*call.slot)->ok()) FAIL((*call.slot)->error().message);
  }
  EXPECT_NE(rig.leader(), old);
  for (int n = 0; n < 40; ++n) EXPECT_EQ(rig.value_at(at, fmt::format("k{}", n)), "v");
}

TEST_CASE("a leader that crashes is replaced; writes through a follower are neither lost nor done twice") {
  ClusterRig rig;
  rig.grow();
  const std::uint64_t old = rig.leader();
  const std::uint64_t at = rig.follower();
  std::vector<ClusterRig::Started> calls;
  const auto append = [&](int n) {
    // Create only if absent: a second application would say so, and answer with applied = false.
    model::ApplyRequest request;
    request.command = model::make_command(kv_command(model::KvOp::Cas, fmt::format("k{}", n), "v", 0));
    request.command.request_id = request_id(n);
    calls.push_back(rig.start_call(at, model::kApplyPath, encode(request)));
  };
  for (int n = 0; n < 50; ++n) append(n);
  rig.loop.run_until([&] { return calls.front().done(); }, kPatience);
  for (int n = 50; n < 60; ++n) append(n);
  const std::uint16_t port = rig.members.at(old)->address().address().port;
  rig.crash(old);
  for (int n = 60; n < 70; ++n) append(n);
  REQUIRE(rig.wait([&] { return std::all_of(calls.begin(), calls.end(), [](const auto& call) { return call.done(); }); }));
  for (const auto& call : calls) {
    REQUIRE((*call.slot)->ok());
    EXPECT(decode<model::CommandResult>(***call.slot)->applied);
  }
  EXPECT_NE(rig.leader(), old);
  for (int n = 0; n < 70; ++n) EXPECT_EQ(rig.value_at(at, fmt::format("k{}", n), model::ReadMode::Consistent), "v");
  rig.start(old, port);  // the others find it by themselves
  EXPECT(rig.agree());
  EXPECT_EQ(rig.value_at(old, "k69", model::ReadMode::Consistent), "v");
}

TEST_CASE("without a majority writes and reads are refused after a bounded wait, and go on when it is back") {
  ClusterRig rig;
  rig.hold_max = milliseconds(500);
  rig.stop(1);
  rig.start(1);
  rig.grow();
  REQUIRE(rig.put(rig.leader(), "k", "v").ok());
  const std::uint64_t left = rig.leader();
  for (const std::uint64_t id : {1u, 2u, 3u}) {
    if (id != left) rig.crash(id);
  }
  EXPECT(outcome_of(rig.call<model::CommandResult>(left, model::kApplyPath, rig.put_request("k", "w", request_id(1)))) == Code::Unavailable);
  EXPECT(outcome_of(rig.get(left, "k")) == Code::Unavailable);
  EXPECT_EQ(rig.value_at(left, "k", model::ReadMode::Stale), "v");
  rig.start(left == 1 ? 2 : 1);
  rig.tell_peers(left);
  const std::uint64_t leading = rig.leader();
  EXPECT(rig.put(leading, "k", "x").ok());
}

TEST_CASE("a new server catches up by a snapshot") {
  ClusterRig rig;
  rig.stop(1);
  rig.raft.compact_bytes = ByteCount{20'000};
  rig.raft.compact_tail_bytes = ByteCount{1'000};
  rig.start(1);
  REQUIRE_EQ(rig.leader(), 1u);
  for (int n = 0; n < 300; ++n) REQUIRE(rig.put(1, fmt::format("k{}", n), std::string(200, 'v')).ok());
  rig.stop(1);  // flushes, so that the log may be cut
  rig.start(1);
  REQUIRE_EQ(rig.leader(), 1u);
  REQUIRE(rig.put(1, "last", "v").ok());
  REQUIRE(rig.server(1).host().core().base().index > raft::Index(0));
  rig.add(2);
  EXPECT_GT(rig.server(2).host().core().base().index, raft::Index(0));
  EXPECT_EQ(rig.value_at(2, "last"), "v");
  EXPECT_EQ(rig.value_at(2, "k0", model::ReadMode::Stale), std::string(200, 'v'));
}

TEST_CASE("a server of another cluster, or under another node's number, is refused") {
  ClusterRig rig;
  rig.grow();
  const std::uint64_t leading = rig.leader();
  const auto refused = [&] { return rig.members.at(leading)->metrics.prometheus_text().find("meshd_raft_messages_refused_total{reason=\"opening\"}") != std::string::npos; };
  EXPECT_FALSE(refused());
  // Another cluster, although its certificate is good here.
  rig.make_joined(4, "d0000000-0000-4000-8000-000000000000");
  rig.start(4);
  rig.tell_peers(4);
  auto& stranger = rig.server(4).transport();
  const auto speak = [&] {
    rig.wait([&] { return stranger.lane_to(raft::ServerId(leading), RaftLane::Urgent)->connected(); });
    stranger.send({raft::ServerId(4), raft::ServerId(leading), raft::Term(99), raft::VoteRequest{}});
  };
  speak();
  REQUIRE(rig.wait(refused));
  EXPECT_LT(rig.server(leading).host().core().term(), raft::Term(99));
  EXPECT_EQ(rig.leader(), leading);
  EXPECT_EQ(stranger.streams(), 0u);
  // The number of a server, the certificate of another node.
  const std::uint64_t victim = rig.follower();
  rig.crash(victim);
  rig.nodes[victim] = node_of(77);
  rig.start(victim);
  rig.tell_peers(victim);
  auto& impostor = rig.server(victim).transport();
  REQUIRE(rig.wait([&] {
    const auto* lane = impostor.lane_to(raft::ServerId(leading), RaftLane::Urgent);
    if (lane == nullptr) rig.tell_peers(victim);  // it has read the table of servers, which names only the first one
    return lane != nullptr && lane->describe().find("refused us: server ") != std::string::npos;
  }));
  EXPECT(rig.put(leading, "k", "v").ok());  // two of three are left
}

TEST_CASE("metrics tell who leads, what is committed, and that the log was written") {
  ClusterRig rig;
  rig.add(2);
  REQUIRE(rig.put(1, "k", "v").ok());
  REQUIRE(rig.agree());
  const auto tells = [&](std::uint64_t id, const std::string& line) {
    return rig.members.at(id)->metrics.prometheus_text().find("\n" + line) != std::string::npos;
  };
  EXPECT(tells(1, "meshd_raft_leader 1\n"));
  EXPECT(tells(1, "meshd_raft_elections_total 1\n"));
  EXPECT(tells(1, "meshd_raft_leaderships_total 1\n"));
  EXPECT(tells(2, "meshd_raft_leader 0\n"));
  EXPECT(tells(2, "meshd_raft_elections_total 0\n"));
  for (const std::uint64_t id : {1u, 2u}) {
    EXPECT(tells(id, fmt::format("meshd_raft_applied_index {}\n", rig.server(id).host().core().applied().value())));
    EXPECT_FALSE(tells(id, "meshd_raft_log_write_seconds_count 0\n"));
    EXPECT_FALSE(tells(id, "meshd_raft_log_bytes 0\n"));
  }
  EXPECT_FALSE(tells(1, "meshd_raft_commit_seconds_count 0\n"));
  EXPECT(tells(2, "meshd_raft_commit_seconds_count 0\n"));
}

TEST_CASE("a server that is not in the table is a guest for as long as it speaks") {
  ClusterRig rig;
  rig.make_joined(2);
  rig.start(2);
  rig.tell_peers(2);
  RpcTransport& host = rig.server(1).transport();
  REQUIRE(rig.wait([&] { return host.guests() == 1 && host.streams() == 2; }));
  EXPECT(host.channel_to(raft::ServerId(2)) != nullptr);
  rig.crash(2);
  REQUIRE(rig.wait([&] { return host.guests() == 0; }));
  EXPECT_EQ(host.streams(), 0u);
  EXPECT(host.channel_to(raft::ServerId(2)) == nullptr);
}

TEST_CASE("answers that other servers wait for count as under way") {
  ClusterRig rig;
  rig.grow();
  const std::uint64_t leading = rig.leader();
  const std::uint64_t asked = rig.follower();
  const ClusterRig::Started call = rig.start_call(asked, model::kApplyPath, ClusterRig::put_request("k", "v"));
  REQUIRE(rig.wait([&] { return rig.server(leading).under_way() == 1; }));
  REQUIRE(rig.wait([&] { return call.done(); }));
  EXPECT_EQ(rig.server(leading).under_way(), 0u);
}

TEST_CASE("messages to a server that is down are lost, not kept") {
  ClusterRig rig;
  rig.grow();
  const std::uint64_t leading = rig.leader();
  const std::uint64_t dead = rig.follower();
  rig.crash(dead);
  for (int n = 0; n < 200; ++n) REQUIRE(rig.put(leading, "k", std::string(10'000, 'v')).ok());
  for (const RaftLane lane : {RaftLane::Urgent, RaftLane::Bulk}) {
    const RaftLaneSender* sender = rig.server(leading).transport().lane_to(raft::ServerId(dead), lane);
    EXPECT_FALSE(sender->connected());
    EXPECT_EQ(sender->queued_bytes(), 0u);
  }
  EXPECT_NE(rig.members.at(leading)->metrics.prometheus_text().find("reason=\"not_connected\""), std::string::npos);
}

}  // namespace
}  // namespace mesh::server
