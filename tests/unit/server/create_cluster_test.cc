#include "server/create_cluster.h"

#include <filesystem>

#include "base/clock.h"
#include "base/file.h"
#include "net/tls/identity.h"
#include "model/spiffe.h"
#include "server/identity.h"
#include "tests/test.h"
#include "tests/unit/server/server_rig.h"

namespace mesh::server {
namespace {

NewCluster in(const TempDir& dir) {
  NewCluster cluster;
  cluster.data_dir = dir.file("server");
  cluster.node_name = "host-a";
  return cluster;
}

TEST_CASE("a new cluster's first server has a certificate of its own root, and the key that belongs to it") {
  const TempDir dir = TempDir::make().value();
  const CreatedCluster made = create_cluster(in(dir)).value();
  const auto identity = net::TlsIdentity::from_pem(made.node_certificate, made.node_key);
  REQUIRE(identity.ok());
  const auto trust = net::TrustBundle::from_pem({made.root.certificate});
  REQUIRE(trust.ok());
  const auto leaf = (*trust)->verify(made.node_certificate, wall_now());
  REQUIRE(leaf.ok());
  const std::string domain = model::trust_domain(made.cluster_id, "mesh");
  EXPECT_EQ(leaf->uris, (std::vector<std::string>{"spiffe://" + domain + "/agent/server/dc/dc1/id/" + made.node_id}));
  EXPECT_EQ(leaf->dns_names, (std::vector<std::string>{model::server_sni("dc1", domain)}));
  EXPECT(leaf->not_before < wall_now() - minutes(9));
  EXPECT(leaf->not_after > wall_now() + hours(6 * 24 + 23));
  EXPECT_EQ(net::read_certificates(made.node_certificate)->size(), 2);  // with the root, for who has only its hash
  EXPECT_EQ(read_identity(dir.file("server"))->node_id, made.node_id);
  EXPECT_EQ(read_identity(dir.file("server"))->cluster_id, made.cluster_id);
}

TEST_CASE("no secret of a new cluster stands in clear in a file of the server") {
  const TempDir dir = TempDir::make().value();
  const CreatedCluster made = create_cluster(in(dir)).value();
  std::size_t files = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(dir.path())) {
    if (!entry.is_regular_file()) continue;
    ++files;
    const Result<Bytes> content = read_file(entry.path(), ByteCount(64 << 20));
    REQUIRE(content.ok());
    EXPECT_EQ(content->find(made.management_token), std::string::npos);
    EXPECT_EQ(content->find("PRIVATE KEY"), std::string::npos);
  }
  EXPECT_GE(files, 3);
}

TEST_CASE("a second cluster in the same directory is refused, and nothing is changed") {
  const TempDir dir = TempDir::make().value();
  REQUIRE(create_cluster(in(dir)).ok());
  const Bytes key = read_file(dir.file("server/ca.key"), ByteCount(1000)).value();
  const Result<CreatedCluster> second = create_cluster(in(dir));
  REQUIRE_FALSE(second.ok());
  EXPECT(outcome_of(second) == Code::Conflict);
  EXPECT(error_text(second).find("already") != std::string::npos);
  EXPECT_EQ(read_file(dir.file("server/ca.key"), ByteCount(1000)).value(), key);
}

TEST_CASE("an attempt that was interrupted, wherever, is repeated from the start") {
  const TempDir dir = TempDir::make().value();
  NewCluster cluster = in(dir);
  cluster.save = [](const CreatedCluster&) { return error(Code::Io, "no space"); };
  EXPECT(outcome_of(create_cluster(cluster)) == Code::Io);
  EXPECT(outcome_of(read_identity(cluster.data_dir)) == Code::Precondition);
  std::string saved;
  cluster.save = [&](const CreatedCluster& made) {
    saved = made.management_token;
    return Status();
  };
  // As if the process had died between the log and server.json.
  REQUIRE(create_cluster(cluster).ok());
  REQUIRE(remove_tree(dir.file("server/server.json")).ok());
  REQUIRE(write_file_atomic(dir.file("server/creating"), "x").ok());
  const Result<CreatedCluster> again = create_cluster(cluster);
  REQUIRE(again.ok());
  EXPECT_EQ(saved, again->management_token);
  EXPECT_FALSE(std::filesystem::exists(dir.file("server/creating")));
}

TEST_CASE("a Raft log without server.json that no attempt of ours left is not removed") {
  const TempDir dir = TempDir::make().value();
  REQUIRE(create_cluster(in(dir)).ok());
  REQUIRE(remove_tree(dir.file("server/server.json")).ok());
  const Result<CreatedCluster> again = create_cluster(in(dir));
  REQUIRE_FALSE(again.ok());
  EXPECT(outcome_of(again) == Code::Conflict);
  EXPECT(std::filesystem::exists(dir.file("server/raft")));
}

TEST_CASE("names that a certificate cannot carry are refused before anything is made") {
  const TempDir dir = TempDir::make().value();
  const auto refused = [&](auto change) {
    NewCluster cluster = in(dir);
    change(cluster);
    const Result<CreatedCluster> made = create_cluster(cluster);
    EXPECT((!made.ok() && made.error().code == Code::Invalid));
    EXPECT_FALSE(std::filesystem::exists(cluster.data_dir));
  };
  refused([](NewCluster& c) { c.datacenter = "dc 1"; });
  refused([](NewCluster& c) { c.datacenter = "a.b"; });
  refused([](NewCluster& c) { c.domain = "mesh..x"; });
  refused([](NewCluster& c) { c.node_name = "a/b"; });
  refused([](NewCluster& c) { c.cluster_id = "x"; });
}

TEST_CASE("the first rows are written at the first leadership, and the file that held them goes") {
  const TempDir dir = TempDir::make().value();
  const CreatedCluster made = make_cluster(dir.file("server"));
  EXPECT(read_init_command(dir.file("server"))->has_value());
  {
    ServerRig rig(dir.file("server"));
    const State& state = rig.server->state();
    EXPECT_EQ(state.member(made.node_id)->name, "server-1");
    EXPECT_EQ(state.catalog().roots().at(0)->certificate, made.root.certificate);
    EXPECT(state.sealed_key(made.root.id) != nullptr);
    EXPECT_EQ(state.management_tokens().size(), 1);
    REQUIRE(rig.wait([&] { return !std::filesystem::exists(dir.file("server/init.command")); }));
  }
  ServerRig rig(dir.file("server"));
  EXPECT(rig.server->state().member(made.node_id) != nullptr);
}

TEST_CASE("a file of first rows that makes no sense stops the server from opening") {
  const TempDir dir = TempDir::make().value();
  make_cluster(dir.file("server"));
  REQUIRE(write_file_atomic(dir.file("server/init.command"), "nonsense").ok());
  net::Loop loop("raft");
  ServerOptions options;
  options.data_dir = dir.file("server");
  EXPECT_FALSE(Server::open(loop, options, [](const Error&) {}).ok());
  const Bytes other = model::encode_command(model::make_command(kv_command(model::KvOp::Set, "k")));
  REQUIRE(write_file_atomic(dir.file("server/init.command"), other).ok());
  EXPECT(outcome_of(Server::open(loop, options, [](const Error&) {})) == Code::Corrupt);
}

}  // namespace
}  // namespace mesh::server
