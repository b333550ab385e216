#include "server/watch_hub.h"

#include "tests/test.h"

#include "tests/unit/server/command_maker.h"

namespace mesh::server {
namespace {

// What the other end of a stream saw.
struct Seen {
  std::vector<net::SharedBytes> messages;
  std::optional<Status> end;
  net::RpcServerStreamObserver* observer = nullptr;
  bool writable = true;

  [[nodiscard]] std::vector<model::WatchKind> kinds() const {
    std::vector<model::WatchKind> out;
    for (const net::SharedBytes& bytes : messages) out.push_back(decode<model::WatchMessage>(*bytes)->kind);
    return out;
  }
  [[nodiscard]] model::WatchMessage at(std::size_t i) const {
    return *decode<model::WatchMessage>(*messages.at(i));
  }
};

class SeenSink final : public net::RpcStreamSink {
 public:
  explicit SeenSink(std::shared_ptr<Seen> seen) : seen_(std::move(seen)) {}
  bool send(net::SharedBytes message) override {
    seen_->messages.push_back(std::move(message));
    return seen_->writable;
  }
  void end(Status status) override { seen_->end = std::move(status); }
  void set_observer(net::RpcServerStreamObserver* observer) override { seen_->observer = observer; }
  void pause() override {}
  void resume() override {}

 private:
  std::shared_ptr<Seen> seen_;
};

struct HubRig : StateObserver {
  net::Loop loop{"test"};
  MetricRegistry metrics;
  Applier applier;
  std::unique_ptr<WatchHub> hub;
  std::vector<std::string> ended;

  HubRig() {
    hub = std::make_unique<WatchHub>(
        loop, WatchHub::Source{[this] { return applier.index; }, [] { return Duration(); },
                               [this](const std::string& node_id) { ended.push_back(node_id); }},
        &metrics);
    hub->on_loaded(applier.catalog());
    applier.machine.set_observer(this);
  }
  ~HubRig() override { hub.reset(); }
  void on_changes(const model::ChangeSet& changes, const State& state) override {
    hub->on_changes(changes, state.catalog());
  }
  void on_loaded(const State& state) override { hub->on_loaded(state.catalog()); }

  std::shared_ptr<Seen> subscribe(std::uint64_t index = 0, std::vector<model::TableHash> known = {}, bool writable = true) {
    auto seen = std::make_shared<Seen>();
    seen->writable = writable;
    model::WatchRequest request;
    request.version = model::kWatchVersion;
    request.node_id = "node-1";
    request.known_index = index;
    request.known_hashes = std::move(known);
    hub->subscribe(request, std::make_unique<net::RpcServerStream>(std::make_unique<SeenSink>(seen)));
    return seen;
  }
  void turn() {
    int turns = 0;
    loop.run_until([&] { return ++turns > 2; }, seconds(5));
  }
};

using model::WatchKind;
using Kinds = std::vector<WatchKind>;

TEST_CASE("a subscriber gets the catalog, then each change, and can rebuild it") {
  HubRig rig;
  rig.applier.run(registration("host-a", "web"));
  const auto seen = rig.subscribe();
  rig.applier.run(registration("host-b", "web"));
  EXPECT_EQ(seen->kinds(), (Kinds{WatchKind::SnapshotBegin, WatchKind::SnapshotRows, WatchKind::SnapshotEnd,
                                  WatchKind::Heartbeat, WatchKind::Delta}));
  const Result<model::Catalog> loaded = model::Catalog().with_snapshot(seen->at(2).index, seen->at(1).rows);
  REQUIRE(loaded.ok());
  EXPECT(loaded->agrees_with(seen->at(2).hashes));
  const Result<model::Catalog> after = loaded->with_changes({seen->at(4).index, seen->at(4).rows});
  REQUIRE(after.ok());
  EXPECT_EQ(after->hash(), rig.applier.catalog().hash());
  EXPECT(after->agrees_with(seen->at(4).hashes));
}

TEST_CASE("a change is encoded once for all subscribers") {
  HubRig rig;
  const auto a = rig.subscribe();
  const auto b = rig.subscribe();
  rig.applier.run(registration("host-a", "web"));
  EXPECT_EQ(a->messages.back().get(), b->messages.back().get());
}

TEST_CASE("writes of the key-value store are not sent, but announced when asked for") {
  HubRig rig;
  const auto seen = rig.subscribe();
  const std::size_t before = seen->messages.size();
  rig.applier.run(kv_command(model::KvOp::Set, "k", "v"));
  EXPECT_EQ(seen->messages.size(), before);
  rig.hub->announce(rig.applier.index);
  REQUIRE_EQ(seen->messages.size(), before + 1);
  EXPECT_EQ(seen->at(before).index, rig.applier.index);
  rig.hub->announce(rig.applier.index);
  EXPECT_EQ(seen->messages.size(), before + 1);
}

TEST_CASE("who knows a recent state gets only what changed since") {
  HubRig rig;
  rig.applier.run(registration("host-a", "web"));
  const std::uint64_t index = rig.applier.index;
  const std::vector<model::TableHash> known = rig.applier.catalog().table_hashes();
  rig.applier.run(kv_command(model::KvOp::Set, "k", "v"));
  rig.applier.run(registration("host-b", "web"));
  const Kinds resumed{WatchKind::Delta, WatchKind::Heartbeat};
  EXPECT_EQ(rig.subscribe(index, known)->kinds(), resumed);
  EXPECT_EQ(rig.subscribe(index + 1, known)->kinds(), resumed);
  EXPECT_EQ(rig.subscribe(index, {})->kinds()[0], WatchKind::SnapshotBegin);
  auto other = known;
  other[0].hash += 1;
  EXPECT_EQ(rig.subscribe(index, other)->kinds()[0], WatchKind::SnapshotBegin);
}

TEST_CASE("an agent of another release resumes by the tables that it holds") {
  HubRig rig;
  rig.applier.run(registration("host-a", "web"));
  const std::uint64_t index = rig.applier.index;
  const std::vector<model::TableHash> known = rig.applier.catalog().table_hashes();
  rig.applier.run(registration("host-b", "web"));
  const Kinds resumed{WatchKind::Delta, WatchKind::Heartbeat};
  SUBCASE("an older one, without the tables that came later") {
    EXPECT_EQ(rig.subscribe(index, {known.begin(), known.begin() + 3})->kinds(), resumed);
  }
  SUBCASE("a newer one, with a table that this server does not know and that is empty") {
    auto more = known;
    more.push_back({model::kTableCatalogLast, 0});
    EXPECT_EQ(rig.subscribe(index, more)->kinds(), resumed);
  }
  SUBCASE("a newer one that holds rows of such a table starts anew, to lose them") {
    auto more = known;
    more.push_back({model::kTableCatalogLast, 1});
    EXPECT_EQ(rig.subscribe(index, more)->kinds()[0], WatchKind::SnapshotBegin);
  }
}

TEST_CASE("a subscriber of the wrong version, or that knows more than this server, is refused") {
  HubRig rig;
  const auto ahead = rig.subscribe(99);
  REQUIRE(ahead->end.has_value());
  EXPECT(outcome_of(*ahead->end) == Code::Unavailable);
  auto seen = std::make_shared<Seen>();
  rig.hub->subscribe({}, std::make_unique<net::RpcServerStream>(std::make_unique<SeenSink>(seen)));
  REQUIRE(seen->end.has_value());
  EXPECT(outcome_of(*seen->end) == Code::Unsupported);
  EXPECT_EQ(rig.hub->subscribers(), 0);
}

TEST_CASE("a slow subscriber is cut off, the others are not") {
  HubRig rig;
  const auto slow = rig.subscribe(0, {}, false);
  const auto quick = rig.subscribe();
  for (std::size_t i = 0; i <= WatchHub::kQueueDeltasMax; ++i) {
    rig.applier.run(registration("host-a", fmt::format("s{}", i % 7), fmt::format("{}", i % 50)));
    rig.applier.run(registration("host-a", fmt::format("t{}", i % 7), fmt::format("{}", i % 50)));
    if (slow->end) break;
  }
  REQUIRE(slow->end.has_value());
  EXPECT(outcome_of(*slow->end) == Code::Overloaded);
  EXPECT_FALSE(quick->end.has_value());
  EXPECT_EQ(rig.hub->subscribers(), 1);
  EXPECT(rig.metrics.prometheus_text().find("meshd_watch_cut_off_total 1\n") != std::string::npos);
  EXPECT(rig.metrics.prometheus_text().find("meshd_watch_streams 1\n") != std::string::npos);
  rig.turn();
}

TEST_CASE("a snapshot goes out as the stream drains, and changes follow it in order") {
  HubRig rig;
  rig.applier.run(registration("host-a", "web"));
  const auto seen = rig.subscribe(0, {}, false);
  EXPECT_EQ(seen->kinds(), (Kinds{WatchKind::SnapshotBegin}));
  rig.applier.run(registration("host-b", "web"));
  EXPECT_EQ(seen->messages.size(), 1);
  seen->writable = true;
  seen->observer->on_writable();
  EXPECT_EQ(seen->kinds(), (Kinds{WatchKind::SnapshotBegin, WatchKind::SnapshotRows, WatchKind::SnapshotEnd,
                                  WatchKind::Heartbeat, WatchKind::Delta}));
  EXPECT_EQ(seen->at(1).rows.size(), 3);
}

TEST_CASE("a stream that closes is forgotten, and a replaced state ends all") {
  HubRig rig;
  const auto closed = rig.subscribe();
  const auto stays = rig.subscribe();
  closed->observer->on_closed();
  EXPECT_EQ(rig.hub->subscribers(), 1);
  EXPECT_EQ(rig.ended, std::vector<std::string>{"node-1"});
  rig.applier.machine.begin_load();
  REQUIRE(rig.applier.machine.end_load(raft::Index(50)).ok());
  REQUIRE(stays->end.has_value());
  EXPECT(outcome_of(*stays->end) == Code::Unavailable);
  EXPECT_EQ(rig.hub->subscribers(), 0);
  EXPECT_EQ(rig.ended.size(), 1);  // those that end here say nothing of the agent
  rig.turn();
}

TEST_CASE("heartbeats tell the index while nothing changes") {
  HubRig rig;
  const auto seen = rig.subscribe();
  const std::size_t before = seen->messages.size();
  rig.applier.run(kv_command(model::KvOp::Set, "k", "v"));
  REQUIRE(rig.loop.run_until([&] { return seen->messages.size() > before; }, seconds(20)));
  EXPECT(seen->at(before).kind == WatchKind::Heartbeat);
  EXPECT_EQ(seen->at(before).index, rig.applier.index);
}

}  // namespace
}  // namespace mesh::server
