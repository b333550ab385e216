#include "agent/catalog_cache.h"

#include "agent/record_file.h"
#include "base/clock.h"
#include "base/file.h"
#include "net/blocking_worker.h"
#include "tests/unit/agent/catalog_rows.h"
#include "tests/unit/net/net_fixture.h"

namespace mesh::agent {
namespace {

constexpr std::string_view kCluster = "c0000000-0000-4000-8000-000000000000";
constexpr WallTime kThen{hours(500'000)};

TEST_CASE("records come back in order, and a file that was cut or changed anywhere is refused") {
  constexpr RecordFileKind kind{.magic = "meshtest"};
  RecordFileWriter writer(kind);
  writer.add("first");
  writer.add("second");
  const Bytes file = writer.finish();
  const auto read = [&](ByteView bytes) -> Result<std::vector<Bytes>> {
    MESH_TRY(reader, RecordFileReader::open(kind, bytes));
    std::vector<Bytes> records;
    for (;;) {
      MESH_TRY(record, reader.next());
      if (!record) return records;
      records.emplace_back(*record);
    }
  };
  REQUIRE(read(file).ok());
  EXPECT_EQ(*read(file), (std::vector<Bytes>{"first", "second"}));
  for (std::size_t size = 0; size < file.size(); ++size) EXPECT(!read(ByteView(file).substr(0, size)).ok());
  for (std::size_t at = 0; at < file.size(); ++at) {
    Bytes changed = file;
    changed[at] = static_cast<char>(changed[at] ^ 1);
    EXPECT(!read(changed).ok());
  }
  EXPECT(!read(file + "x").ok());
  Bytes later = file;
  later[8] = 2;
  EXPECT_EQ(outcome_of(read(later)), Code::Unsupported);
}

TEST_CASE("a catalog comes back from its file with index, rows and age") {
  const CachedCatalog cached{.catalog = catalog_of(30, 77), .fresh_at = kThen};
  const auto again = parse_catalog_cache(encode_catalog_cache(cached, kCluster), kCluster);
  REQUIRE(again.ok());
  EXPECT_EQ(again->catalog.index(), 77);
  EXPECT(again->fresh_at == kThen);
  EXPECT(again->catalog.table_hashes() == cached.catalog.table_hashes());
  EXPECT_EQ(again->catalog.instances_of("service-0").size(), 30);
  EXPECT_EQ(again->catalog.service_index("service-0"), 77);  // none of its indexes is older than the file
}

TEST_CASE("the catalog of another cluster, or one whose rows are not those of the header, is refused") {
  const CachedCatalog cached{.catalog = catalog_of(1, 7), .fresh_at = kThen};
  const Bytes file = encode_catalog_cache(cached, kCluster);
  EXPECT_EQ(outcome_of(parse_catalog_cache(file, "another")), Code::Precondition);
  // Header and end of that file without its rows: each record is whole, the catalog is not.
  constexpr RecordFileKind kind{.magic = "meshcatl"};
  auto reader = RecordFileReader::open(kind, file);
  RecordFileWriter writer(kind);
  writer.add(**reader->next());
  EXPECT_EQ(outcome_of(parse_catalog_cache(writer.finish(), kCluster)), Code::Corrupt);
}

struct CacheRig {
  TempDir folder = std::move(TempDir::make()).value();
  net::Loop loop{"test"};
  std::unique_ptr<net::BlockingWorker> disk = std::make_unique<net::BlockingWorker>(loop.ref(), "test-disk");

  std::unique_ptr<CatalogCache> open(std::string cluster_id = std::string(kCluster), Duration interval = milliseconds(1)) {
    return std::make_unique<CatalogCache>(
        loop, *disk,
        CatalogCache::Options{.data_dir = folder.path(), .cluster_id = std::move(cluster_id), .interval = interval});
  }
};

TEST_CASE("what changed is written, later changes with the next write, and loaded by the next run") {
  CacheRig rig;
  auto cache = rig.open();
  EXPECT(!cache->load().has_value());
  cache->changed(catalog_of(1, 5), kThen);
  REQUIRE(net::wait_for(rig.loop, [&] { return cache->counts().writes_total == 1; }));
  cache->changed(catalog_of(2, 6), kThen);
  cache->changed(catalog_of(3, 7), kThen);
  REQUIRE(net::wait_for(rig.loop, [&] { return cache->counts().writes_total == 2; }));
  cache->changed(catalog_of(3, 7), kThen + hours(1));  // nothing but the age: not worth a write
  net::settle(rig.loop);
  EXPECT_EQ(cache->counts().writes_total, 2);
  auto next = rig.open();
  const auto loaded = next->load();
  REQUIRE(loaded.has_value());
  EXPECT_EQ(loaded->catalog.index(), 7);
  EXPECT(loaded->fresh_at == kThen);
}

TEST_CASE("at the end the newest version and its age are written") {
  CacheRig rig;
  auto cache = rig.open(std::string(kCluster), hours(1));
  cache->changed(catalog_of(1, 5), kThen);
  REQUIRE(net::wait_for(rig.loop, [&] { return cache->counts().writes_total == 1; }));
  cache->changed(catalog_of(2, 6), kThen + hours(1));
  cache->flush();
  cache.reset();
  rig.disk.reset();  // waits
  rig.disk = std::make_unique<net::BlockingWorker>(rig.loop.ref(), "test-disk");
  const auto loaded = rig.open()->load();
  REQUIRE(loaded.has_value());
  EXPECT_EQ(loaded->catalog.index(), 6);
  EXPECT(loaded->fresh_at == kThen + hours(1));
}

TEST_CASE("a damaged file, and that of another cluster, count as none and are replaced") {
  CacheRig rig;
  auto cache = rig.open();
  cache->changed(catalog_of(1, 5), kThen);
  REQUIRE(net::wait_for(rig.loop, [&] { return cache->counts().writes_total == 1; }));
  EXPECT(!rig.open("another")->load().has_value());
  const std::string path = rig.folder.file("cache/catalog");
  REQUIRE(write_file_atomic(path, "garbage").ok());
  auto next = rig.open();
  EXPECT(!next->load().has_value());
  next->changed(catalog_of(1, 5), kThen);
  REQUIRE(net::wait_for(rig.loop, [&] { return next->counts().writes_total == 1; }));
  EXPECT(rig.open()->load().has_value());
}

TEST_CASE("a folder that cannot be written is counted and tried again") {
  CacheRig rig;
  REQUIRE(write_file_atomic(rig.folder.file("cache"), "a file in the way").ok());
  auto cache = rig.open();
  cache->changed(catalog_of(1, 5), kThen);
  REQUIRE(net::wait_for(rig.loop, [&] { return cache->counts().failures_total >= 2; }));
  REQUIRE(remove_tree(rig.folder.file("cache")).ok());
  REQUIRE(net::wait_for(rig.loop, [&] { return rig.open()->load().has_value(); }));
}

// Times are shown with --success.
TEST_CASE("a catalog of 5,000 instances is made and read in bounded time and size") {
  const CachedCatalog cached{.catalog = catalog_of(5000, 9), .fresh_at = kThen};
  const MonoTime start = mono_now();
  const Bytes file = encode_catalog_cache(cached, kCluster);
  const MonoTime made = mono_now();
  REQUIRE(parse_catalog_cache(file, kCluster).ok());
  const MonoTime read = mono_now();
  INFO(fmt::format("{} bytes, made in {} ms, read in {} ms", file.size(), to_millis(made - start), to_millis(read - made)));
  EXPECT(file.size() < 5000 * 600);
}

}  // namespace
}  // namespace mesh::agent
