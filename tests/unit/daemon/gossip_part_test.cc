// GossipPart on real sockets of 127.0.0.x, one loop.
#include "daemon/gossip_part.h"

#include "base/file.h"
#include "base/rng.h"
#include "daemon/gossip_peers.h"
#include "tests/test.h"

namespace mesh::daemon {
namespace {

constexpr Duration kLongEnough = seconds(30);
constexpr const char* kCluster = "c0000000-0000-4000-8000-000000000000";

// One host: its folder, its disk thread, its part in gossip.
struct Host {
  net::Loop& loop;
  TempDir folder = TempDir::make().value();
  MetricRegistry metrics;
  std::unique_ptr<net::BlockingWorker> disk = std::make_unique<net::BlockingWorker>(loop.ref(), "disk");
  model::Config config;
  agent::NodeIdentity node;
  agent::MembersPtr members;
  std::vector<std::string> events;
  std::unique_ptr<GossipPart> part;

  Host(net::Loop& its_loop, int number, int port = 0) : loop(its_loop) {
    Rng rng(static_cast<std::uint64_t>(number));
    node.record.node_id = Uuid::make(rng).to_string();
    node.record.cluster_id = kCluster;
    node.record.datacenter = "dc1";
    node.gossip_key = Bytes(agent::kGossipKeyBytes, 'g');
    config.node = "host-" + std::to_string(number);
    config.data_dir = folder.path();
    config.bind = config.advertise = "127.0.0." + std::to_string(number);
    config.ports.gossip = port;
  }
  ~Host() {
    part.reset();
    disk.reset();
  }
  Status open() {
    auto opened = GossipPart::open(loop, *disk, metrics,
                                   {.config = config,
                                    .node = node,
                                    .on_members = [this](agent::MembersPtr next) { members = std::move(next); },
                                    .on_event = [this](const gossip::MemberEvent& event) {
                                      events.emplace_back(gossip::event_name(event.kind));
                                    }});
    if (!opened.ok()) return opened.error();
    part = std::move(*opened);
    return {};
  }
  [[nodiscard]] net::Address address() const { return part->driver().local(); }
  [[nodiscard]] std::string list() const {
    std::string out;
    for (const agent::Member& member : *members) out += fmt::format("{}:{} ", member.name, static_cast<int>(member.status));
    return out;
  }
  bool sees(const std::string& wanted) {
    return loop.run_until([&] { return members != nullptr && list() == wanted; }, kLongEnough);
  }
};

TEST_CASE("a host is let in by a seed, sees itself first, and says good-bye") {
  net::Loop loop("test");
  Host one(loop, 21);
  one.node.record.kind = model::JoinKind::Server;
  REQUIRE(one.open().ok());
  one.part->join();
  EXPECT_EQ(one.list(), "host-21:1 ");
  EXPECT(one.members->front().server);
  EXPECT_EQ(one.members->front().address, "127.0.0.21");
  EXPECT_EQ(one.members->front().port, one.address().port);
  Host two(loop, 22);
  two.config.join = {one.address().to_string()};
  REQUIRE(two.open().ok());
  two.part->join();
  REQUIRE(one.sees("host-21:1 host-22:1 "));
  REQUIRE(two.sees("host-22:1 host-21:1 "));
  EXPECT(two.members->back().server);
  EXPECT_EQ(one.events, std::vector<std::string>{"joined"});
  bool left = false;
  two.part->leave([&] { left = true; });
  REQUIRE(one.sees("host-21:1 host-22:3 "));
  REQUIRE(loop.run_until([&] { return left; }, kLongEnough));
  left = false;
  one.part->leave([&] { left = true; });  // nobody to tell
  REQUIRE(loop.run_until([&] { return left; }, milliseconds(500)));
}

TEST_CASE("a host that vanishes has failed, the sooner if somebody has reason to ask") {
  net::Loop loop("test");
  Host one(loop, 23);
  REQUIRE(one.open().ok());
  one.part->join();
  auto two = std::make_unique<Host>(loop, 24);
  two->config.join = {one.address().to_string()};
  REQUIRE(two->open().ok());
  two->part->join();
  REQUIRE(one.sees("host-23:1 host-24:1 "));
  const std::string id = two->node.record.node_id;
  two.reset();
  one.part->suspect("no uuid");
  one.part->suspect(id);
  const MonoTime begin = loop.now();
  REQUIRE(one.sees("host-23:1 host-24:4 "));
  EXPECT(loop.now() - begin < seconds(10));
}

TEST_CASE("who was there is kept on disk and asked at the next start, without any server") {
  net::Loop loop("test");
  Host one(loop, 25);
  REQUIRE(one.open().ok());
  one.part->join();
  Host two(loop, 26);
  two.config.join = {one.address().to_string()};
  REQUIRE(two.open().ok());
  two.part->join();
  REQUIRE(two.sees("host-26:1 host-25:1 "));
  two.part.reset();
  two.disk.reset();  // waits for the write
  const auto file = read_file(two.folder.file("cache/peers"), ByteCount{kGossipPeersBytesMax});
  REQUIRE(file.ok());
  EXPECT(*parse_gossip_peers(*file, kCluster) == std::vector<net::Address>{one.address()});
  two.disk = std::make_unique<net::BlockingWorker>(loop.ref(), "disk");
  two.config.join.clear();
  two.members = nullptr;
  REQUIRE(two.open().ok());
  two.part->join();
  REQUIRE(two.sees("host-26:1 host-25:1 "));
}

TEST_CASE("a damaged file of members is no obstacle") {
  net::Loop loop("test");
  Host one(loop, 27);
  REQUIRE(make_dirs(one.folder.file("cache")).ok());
  REQUIRE(write_file_atomic(one.folder.file("cache/peers"), "nonsense").ok());
  EXPECT(one.open().ok());
}

TEST_CASE("a port that is taken or off is told with the key to set") {
  net::Loop loop("test");
  Host one(loop, 28);
  REQUIRE(one.open().ok());
  Host two(loop, 28, one.address().port);
  const Status taken = two.open();
  REQUIRE_FALSE(taken.ok());
  EXPECT(taken.error().code == Code::Conflict);
  EXPECT(taken.error().message.find("ports.gossip") != std::string::npos);
  EXPECT(taken.error().message.find("is in use by") != std::string::npos);
  two.config.ports.gossip = model::kPortOff;
  EXPECT(two.open().error().code == Code::Invalid);
}

}  // namespace
}  // namespace mesh::daemon
