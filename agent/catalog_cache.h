// The last known catalog on disk, so that an agent that starts while no server answers has a view, and one that starts
// while they do needs only what changed. docs/formats/catalog-cache.md.
//
// encode and parse are pure (any thread). CatalogCache belongs to the agent loop; bytes are made and written on the disk
// thread, at most one write at a time. Measured with 5,000 instances and as many checks, -O2: 2.0 MB, made in 25 ms (too long
// for the loop), read in 75 ms at the start.
//
// Limits: kCatalogCacheBytesMax; a larger catalog is not kept (one warning), a larger file is ignored.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/message.h"
#include "base/result.h"
#include "base/time.h"
#include "model/catalog.h"
#include "net/timer.h"

namespace mesh::net {
class BlockingWorker;
class Loop;
}  // namespace mesh::net

namespace mesh::agent {

inline constexpr std::size_t kCatalogCacheBytesMax = std::size_t{256} << 20;
inline constexpr Duration kCatalogCacheInterval = seconds(5);  // between two writes

struct CachedCatalog {
  model::Catalog catalog;
  WallTime fresh_at{};  // known to be current on the leader
};

[[nodiscard]] Bytes encode_catalog_cache(const CachedCatalog& cached, std::string_view cluster_id);
// Errors: Corrupt, Unsupported (another layout), Precondition (of another cluster).
[[nodiscard]] Result<CachedCatalog> parse_catalog_cache(ByteView file, std::string_view cluster_id);

class CatalogCache {
 public:
  struct Options {
    std::string data_dir;    // the file is cache/catalog in it
    std::string cluster_id;  // whose catalog it may hold
    Duration interval = kCatalogCacheInterval;
  };
  struct Counts {
    std::uint64_t writes_total = 0;
    std::uint64_t failures_total = 0;
  };

  CatalogCache(net::Loop& loop, net::BlockingWorker& disk, Options options);
  // Does not write: call flush() before.
  ~CatalogCache() = default;
  CatalogCache(const CatalogCache&) = delete;
  CatalogCache& operator=(const CatalogCache&) = delete;

  // What was kept; none if there is no file or a useless one (then logged). Blocks; for the start.
  [[nodiscard]] std::optional<CachedCatalog> load();

  // The newest version; written soon if its rows are others than those on disk.
  void changed(const model::Catalog& catalog, WallTime fresh_at);
  // Hands the newest version to the disk thread, with its age also if no row changed. For the end: the caller waits for
  // the disk thread.
  void flush();

  [[nodiscard]] const Counts& counts() const { return counts_; }

 private:
  void write();
  void written(Status status);
  [[nodiscard]] bool stale() const { return newest_ && newest_->catalog.hash() != written_hash_; }

  net::Loop& loop_;
  net::BlockingWorker& disk_;
  Options options_;
  std::string path_;
  std::optional<CachedCatalog> newest_;
  std::uint64_t written_hash_ = 0;  // of the version on disk or on its way there
  bool writing_ = false;
  bool failing_ = false;
  MonoTime next_write_{};
  Counts counts_;
  net::Timer timer_;
};

}  // namespace mesh::agent
