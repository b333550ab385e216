// The whole server part on a real directory: cluster made, commands through RPC, watch stream, restart.
#include "server/server.h"

#include "tests/test.h"

#include "server/create_cluster.h"
#include "tests/unit/server/server_rig.h"

namespace mesh::server {
namespace {

TEST_CASE("a registration becomes a row and reaches a watching client as a delta") {
  const TempDir dir = TempDir::make().value();
  ServerRig rig(new_cluster(dir));
  EXPECT_EQ(rig.server->state().catalog().cluster()->id, kCluster);
  WatchClient watcher(*rig.channel, {});
  REQUIRE(rig.wait([&] { return watcher.catalog.cluster() != nullptr; }));
  const Result<model::CommandResult> result = rig.apply(registration("host-a", "web"));
  REQUIRE(result.ok());
  EXPECT_EQ(result->code, 0);
  REQUIRE(rig.wait([&] { return watcher.catalog.index() >= result->index; }));
  EXPECT(watcher.kinds.back() == model::WatchKind::Delta);
  REQUIRE_EQ(watcher.catalog.instances_of("web").size(), 1);
  EXPECT_EQ(watcher.catalog.mesh_name("web")->address, "127.128.0.5");
  EXPECT_EQ(watcher.catalog.node_by_name("host-a")->datacenter, "dc1");
}

TEST_CASE("a write that changes nothing still lets a client reach its index at once") {
  const TempDir dir = TempDir::make().value();
  ServerRig rig(new_cluster(dir));
  WatchClient watcher(*rig.channel, {});
  REQUIRE(rig.apply(registration("host-a", "web")).ok());
  const Result<model::CommandResult> again = rig.apply(registration("host-a", "web"));
  REQUIRE(again.ok());
  REQUIRE(rig.loop.run_until([&] { return watcher.catalog.index() >= again->index; }, milliseconds(800)));
}

TEST_CASE("the state survives a restart, and a client resumes with deltas only") {
  const TempDir dir = TempDir::make().value();
  const std::string data_dir = new_cluster(dir);
  model::Catalog known;
  std::uint64_t hash = 0;
  {
    ServerRig rig(data_dir);
    REQUIRE(rig.apply(registration("host-a", "web")).ok());
    REQUIRE(rig.apply(kv_command(model::KvOp::Set, "k", "v")).ok());
    WatchClient watcher(*rig.channel, {});
    REQUIRE(rig.wait([&] { return watcher.catalog.has_service("web"); }));
    known = watcher.catalog;
    hash = rig.server->state().hash();
  }
  ServerRig rig(data_dir);
  EXPECT_EQ(rig.server->state().hash(), hash);
  EXPECT_EQ(rig.kv("k")->entries.at(0).value, "v");
  WatchClient watcher(*rig.channel, known);
  REQUIRE(rig.apply(registration("host-b", "web")).ok());
  REQUIRE(rig.wait([&] { return watcher.catalog.instances_of("web").size() == 2; }));
}

TEST_CASE("key-value reads of each mode see the write before them") {
  const TempDir dir = TempDir::make().value();
  ServerRig rig(new_cluster(dir));
  const Result<model::CommandResult> put = rig.apply(kv_command(model::KvOp::Set, "a/b", "v"));
  REQUIRE(put.ok());
  for (const auto mode : {model::ReadMode::Default, model::ReadMode::Consistent, model::ReadMode::Stale}) {
    const Result<model::KvReadResponse> read = rig.kv("a/b", mode);
    REQUIRE(read.ok());
    EXPECT_EQ(read->index, put->index);
    EXPECT(read->known_leader);
    REQUIRE_EQ(read->entries.size(), 1);
  }
  EXPECT_EQ(rig.kv("nothing")->entries.size(), 0);
  EXPECT_GE(rig.kv("nothing")->index, 1);
}

TEST_CASE("a read of more than an answer holds is refused as a whole, with what to ask instead") {
  const TempDir dir = TempDir::make().value();
  ServerRig rig(new_cluster(dir));
  const std::size_t entries = net::kRpcMessageBytesMax / model::kKvValueMax + 1;
  for (std::size_t i = 0; i < entries; ++i)
    REQUIRE(rig.apply(kv_command(model::KvOp::Set, "big/" + std::to_string(i), Bytes(model::kKvValueMax, 'x'))).ok());
  model::KvReadRequest request;
  request.key = "big/";
  request.recurse = true;
  const auto all = rig.call<model::KvReadResponse>(model::kKvReadPath, request);
  EXPECT_EQ(outcome_of(all), Code::Invalid);
  EXPECT(error_text(all).find("longer prefix") != std::string::npos);
  request.key = "big/1";
  EXPECT(rig.call<model::KvReadResponse>(model::kKvReadPath, request).ok());
  request = {};
  request.key = "big/";
  request.keys_only = true;
  EXPECT_EQ(rig.call<model::KvReadResponse>(model::kKvReadPath, request)->keys.size(), entries);
}

TEST_CASE("a blocking read answers when its key changes, not when another does") {
  const TempDir dir = TempDir::make().value();
  ServerRig rig(new_cluster(dir));
  const std::uint64_t seen = rig.apply(kv_command(model::KvOp::Set, "a/1", "v"))->index;
  std::optional<Result<Bytes>> exact, below, timed;
  model::KvReadRequest request;
  request.min_index = seen;
  request.wait = minutes(1);
  request.key = "a/1";
  const auto start = [&](std::optional<Result<Bytes>>& slot) {
    return rig.channel->call({model::kKvReadPath}, encode(request), rig.loop.now() + kPatience,
                             [&slot](Result<Bytes> result) { slot = std::move(result); });
  };
  const auto one = start(exact);
  request.key = "a/";
  request.recurse = true;
  const auto two = start(below);
  request.key = "b/";
  request.wait = milliseconds(30);
  const auto three = start(timed);
  REQUIRE(rig.apply(kv_command(model::KvOp::Set, "a/2", "w")).ok());
  REQUIRE(rig.wait([&] { return below.has_value() && timed.has_value(); }));
  EXPECT_EQ(decode<model::KvReadResponse>(**below)->entries.size(), 2);
  EXPECT_FALSE(exact.has_value());
  REQUIRE(rig.apply(kv_command(model::KvOp::Delete, "a/1")).ok());
  REQUIRE(rig.wait([&] { return exact.has_value(); }));
  EXPECT(decode<model::KvReadResponse>(**exact)->entries.empty());
  EXPECT_GT(decode<model::KvReadResponse>(**exact)->index, seen);
}

TEST_CASE("a blocking read whose caller gives up is forgotten") {
  const TempDir dir = TempDir::make().value();
  ServerRig rig(new_cluster(dir));
  model::KvReadRequest request;
  request.key = "k";
  request.min_index = 1'000'000;
  request.wait = minutes(5);
  auto call = rig.channel->call({model::kKvReadPath}, encode(request), rig.loop.now() + kPatience,
                                [](Result<Bytes>) { FAIL("cancelled calls do not answer"); });
  REQUIRE(rig.kv("other").ok());
  call.reset();
  REQUIRE(rig.apply(kv_command(model::KvOp::Set, "k", "v")).ok());
  REQUIRE(rig.kv("k").ok());
}

TEST_CASE("a retried write is applied once") {
  const TempDir dir = TempDir::make().value();
  ServerRig rig(new_cluster(dir));
  const std::string id(model::kRequestIdBytes, 'r');
  const Result<model::CommandResult> first = rig.apply(kv_command(model::KvOp::Cas, "k", "v", 0), id);
  const Result<model::CommandResult> second = rig.apply(kv_command(model::KvOp::Cas, "k", "v", 0), id);
  REQUIRE((first.ok() && second.ok()));
  EXPECT(first->applied);
  EXPECT(*first == *second);
}

TEST_CASE("a barrier answers an index that covers every change acknowledged before") {
  const TempDir dir = TempDir::make().value();
  ServerRig rig(new_cluster(dir));
  const std::uint64_t index = rig.apply(registration("host-a", "web"))->index;
  REQUIRE(rig.apply(kv_command(model::KvOp::Set, "k", "v")).ok());
  for (const auto mode : {model::ReadMode::Default, model::ReadMode::Consistent}) {
    model::BarrierRequest request;
    request.mode = mode;
    const auto answer = rig.call<model::BarrierResponse>(model::kBarrierPath, encode(request));
    REQUIRE(answer.ok());
    EXPECT_EQ(answer->index, index);
  }
}

TEST_CASE("bad commands are refused with the field and the reason") {
  const TempDir dir = TempDir::make().value();
  ServerRig rig(new_cluster(dir));
  const Result<model::CommandResult> nameless = rig.apply(registration("", "web"));
  REQUIRE_FALSE(nameless.ok());
  EXPECT(outcome_of(nameless) == Code::Invalid);
  EXPECT(error_text(nameless).find("node name") != std::string::npos);
  EXPECT(outcome_of(rig.apply(kv_command(model::KvOp::Set, std::string(600, 'k')))) == Code::Invalid);
  EXPECT(outcome_of(rig.apply(kv_command(model::KvOp::Set, "k", std::string(600'000, 'v')))) ==
         Code::Invalid);
  EXPECT(outcome_of(rig.apply(kv_command(model::KvOp::Set, "k"), "short id")) == Code::Invalid);
  EXPECT(outcome_of(rig.call<model::CommandResult>(model::kApplyPath, "\x0f")) == Code::Invalid);
  model::ApplyRequest later;
  later.command = model::make_command(kv_command(model::KvOp::Set, "k"));
  later.command.level = 9;
  EXPECT(outcome_of(rig.call<model::CommandResult>(model::kApplyPath, encode(later))) == Code::Unsupported);
  EXPECT(rig.apply(kv_command(model::KvOp::Set, "k")).ok());
}

TEST_CASE("a host that has not joined is refused everything") {
  const TempDir dir = TempDir::make().value();
  ServerRig rig(new_cluster(dir));
  rig.channel = rig.listener->connect(rig.loop, {net::RpcPeer::Kind::Joining, ""});
  EXPECT(outcome_of(rig.kv("k")) == Code::Denied);
  EXPECT(outcome_of(rig.apply(kv_command(model::KvOp::Set, "k"))) == Code::Denied);
  WatchClient watcher(*rig.channel, {});
  REQUIRE(rig.wait([&] { return watcher.end.has_value(); }));
  EXPECT(outcome_of(*watcher.end) == Code::Denied);
}

TEST_CASE("status names the leader and the cluster") {
  const TempDir dir = TempDir::make().value();
  ServerRig rig(new_cluster(dir));
  const auto status = rig.call<model::StatusResponse>(model::kStatusPath, encode(model::StatusRequest{}));
  REQUIRE(status.ok());
  EXPECT_EQ(status->leader, "127.0.0.1:8300");
  EXPECT_EQ(status->peers, (std::vector<std::string>{"127.0.0.1:8300"}));
  EXPECT_EQ(status->cluster_id, kCluster);
  EXPECT_GE(status->commit_index, status->applied_index);
  EXPECT_EQ(status->state_hash.size(), std::size_t{16});
}

TEST_CASE("a cluster is made once in a directory, and one process serves it") {
  const TempDir dir = TempDir::make().value();
  const std::string data_dir = new_cluster(dir);
  NewCluster again;
  again.data_dir = data_dir;
  EXPECT(outcome_of(create_cluster(again)) == Code::Conflict);
  again.data_dir = dir.file("other");
  again.cluster_id = "no uuid";
  EXPECT(outcome_of(create_cluster(again)) == Code::Invalid);
  ServerRig rig(data_dir);
  ServerOptions options;
  options.data_dir = data_dir;
  const auto second = Server::open(rig.loop, options, [](const Error&) {});
  REQUIRE_FALSE(second.ok());
  EXPECT(outcome_of(second) == Code::Conflict);
  options.data_dir = dir.path();
  EXPECT(outcome_of(Server::open(rig.loop, options, [](const Error&) {})) == Code::Precondition);
}

TEST_CASE("a server whose log is gone does not start, nor does one alone whose log is damaged") {
  for (const bool gone : {true, false}) {
    CAPTURE(gone);
    const TempDir dir = TempDir::make().value();
    const std::string data_dir = new_cluster(dir);
    {
      ServerRig rig(data_dir);
      for (int i = 0; i < 5; ++i) REQUIRE(rig.apply(kv_command(model::KvOp::Set, "k", std::to_string(i))).ok());
    }
    const std::string segment = log_folder(data_dir) + "/segment-0000000000000001.log";
    if (gone) REQUIRE(remove_tree(log_folder(data_dir)).ok());
    else {
      Bytes content = read_file(segment, ByteCount(64 * 1024 * 1024)).value();
      content[4096 + 100] = static_cast<char>(content[4096 + 100] ^ 1);
      REQUIRE(write_file_atomic(segment, content).ok());
    }
    net::Loop loop{"raft"};
    ServerOptions options;
    options.data_dir = data_dir;
    const auto opened = Server::open(loop, options, [](const Error&) {});
    EXPECT_EQ(outcome_of(opened), Code::Corrupt);
    EXPECT(error_text(opened).find("restore it whole from a backup") != std::string::npos);
  }
}

TEST_CASE("an identity file that makes no sense is refused") {
  const TempDir dir = TempDir::make().value();
  const auto code = [&](std::string_view text) {
    REQUIRE(write_file_atomic(dir.file("server.json"), text).ok());
    const auto read = read_identity(dir.path());
    if (outcome_of(read) != Code::Unsupported) EXPECT(error_text(read).find("cluster remove NAME") != std::string::npos);
    return outcome_of(read);
  };
  EXPECT(code("{") != Code::Precondition);
  EXPECT(code(R"({"version":2,"cluster_id":"x","server_id":1})") == Code::Unsupported);
  EXPECT(code(R"({"version":1,"cluster_id":"x","server_id":1})") == Code::Corrupt);
  EXPECT(code(R"({"version":1,"cluster_id":"c0000000-0000-4000-8000-000000000000"})") == Code::Corrupt);
}

}  // namespace
}  // namespace mesh::server
