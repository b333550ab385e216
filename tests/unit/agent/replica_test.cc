#include "agent/replica.h"

#include "tests/unit/agent/catalog_rows.h"
#include "tests/unit/agent/fake_channel.h"
#include "tests/unit/net/net_fixture.h"

namespace mesh::agent {
namespace {

struct Rig {
  net::Loop loop{"test"};
  FakeChannel channel;
  int changes = 0;
  Replica replica{loop, channel, Rng(1), "node", [this] { ++changes; }};

  FakeChannel::Stream& stream() { return *channel.streams().back(); }
  model::WatchRequest request() { return *decode<model::WatchRequest>(stream().request); }
  void send(model::WatchKind kind, const model::Catalog& after, std::vector<model::RowChange> rows = {}) {
    model::WatchMessage message;
    message.kind = kind;
    message.index = after.index();
    message.rows = std::move(rows);
    message.hashes = after.table_hashes();
    FakeChannel::send(stream(), message);
  }
  // A new subscription follows a broken stream after a pause.
  void wait_for_stream(std::size_t count) {
    REQUIRE(net::wait_for(loop, [&] { return channel.streams().size() == count; }));
  }
};

std::vector<model::RowChange> all_rows(const model::Catalog& catalog) {
  model::Catalog::RowCursor cursor;
  return catalog.next_rows(cursor, std::size_t{1} << 30);
}

TEST_CASE("a replica starts from nothing with a snapshot") {
  Rig rig;
  const model::Catalog catalog = catalog_of(3, 20);
  rig.replica.start();
  EXPECT_EQ(rig.request().known_index, 0);
  rig.send(model::WatchKind::SnapshotBegin, catalog);
  rig.send(model::WatchKind::SnapshotRows, catalog, all_rows(catalog));
  EXPECT(!rig.replica.ready());
  rig.send(model::WatchKind::SnapshotEnd, catalog);
  EXPECT(rig.replica.ready());
  EXPECT_EQ(rig.replica.catalog().instance_count(), 3);
}

TEST_CASE("a restored replica is ready but not connected, as old as it is told, and asks for what changed since") {
  Rig rig;
  const MonoTime fresh_at = rig.loop.now() - hours(2);
  rig.replica.restore(catalog_of(3, 20), fresh_at);
  EXPECT(rig.replica.ready());
  EXPECT(!rig.replica.connected());
  EXPECT(rig.replica.fresh_at() == fresh_at);
  rig.replica.start();
  EXPECT_EQ(rig.request().known_index, 20);
  EXPECT(rig.request().known_hashes == catalog_of(3, 20).table_hashes());
  rig.send(model::WatchKind::Heartbeat, catalog_of(3, 25));
  EXPECT(rig.replica.connected());
  EXPECT(rig.replica.fresh_at() > fresh_at);
  EXPECT_EQ(rig.replica.catalog().index(), 25);
}

TEST_CASE("a server that has no table of ours which is not empty here is not believed, nor asked to resume") {
  Rig rig;
  rig.replica.restore(catalog_of(3, 20), rig.loop.now());
  rig.replica.start();
  model::WatchMessage message;
  message.index = 21;
  message.hashes = catalog_of(3, 20).table_hashes();
  message.hashes.erase(message.hashes.begin());  // nodes
  FakeChannel::send(rig.stream(), message);
  rig.wait_for_stream(2);
  EXPECT_EQ(rig.request().known_index, 0);
}

TEST_CASE("tables of a later server are left aside") {
  Rig rig;
  rig.replica.restore(catalog_of(3, 20), rig.loop.now());
  rig.replica.start();
  model::WatchMessage message;
  message.kind = model::WatchKind::Delta;
  message.index = 21;
  message.rows = {{model::kTableCatalogLast, "key", "value"}};
  message.hashes = catalog_of(3, 20).table_hashes();
  message.hashes.push_back({model::kTableCatalogLast, 99});
  FakeChannel::send(rig.stream(), message);
  EXPECT(rig.replica.connected());
  EXPECT_EQ(rig.replica.catalog().index(), 21);
}

}  // namespace
}  // namespace mesh::agent
