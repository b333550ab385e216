#include "agent/catalog_cache.h"

#include <algorithm>

#include "agent/record_file.h"
#include "base/file.h"
#include "base/log.h"
#include "net/blocking_worker.h"
#include "net/loop.h"

namespace mesh::agent {
namespace {

constexpr RecordFileKind kKind{.magic = "meshcatl", .version = 1};
constexpr std::size_t kRowsRecordBytes = std::size_t{256} << 10;
constexpr mode_t kFileMode = 0600;

#define MESH_CATALOG_CACHE_HEADER_FIELDS(F)                                                    \
  F(1, std::string, cluster_id, "ClusterID", "whose catalog it is")                            \
  F(2, std::uint64_t, index, "Index", "of the catalog")                                        \
  F(3, std::uint64_t, hash, "Hash", "of the catalog")                                          \
  F(4, WallTime, fresh_at, "FreshAt", "when it was known to be current")
struct CatalogCacheHeader {
  MESH_MESSAGE(CatalogCacheHeader, MESH_CATALOG_CACHE_HEADER_FIELDS)
};
MESH_MESSAGE_TABLE(CatalogCacheHeader, MESH_CATALOG_CACHE_HEADER_FIELDS)

Result<CatalogCacheHeader> read_header(RecordFileReader& reader, std::string_view cluster_id) {
  MESH_TRY(record, reader.next());
  if (!record) return error(Code::Corrupt, "there is no header");
  MESH_TRY(header, decode<CatalogCacheHeader>(*record));
  if (header.cluster_id != cluster_id)
    return error(Code::Precondition, "it is of cluster {}, this node belongs to {}", header.cluster_id, cluster_id);
  return header;
}

Status add_rows(model::Catalog& catalog, ByteView record, std::uint64_t index) {
  MESH_TRY(changes, decode<model::ChangeSet>(record));
  for (const model::RowChange& row : changes.rows) {
    if (!row.value) return error(Code::Corrupt, "a row without a value");
    MESH_TRY_STATUS(catalog.change(row, index));
  }
  return {};
}

// On the disk thread.
Status write_cache(const CachedCatalog& cached, const std::string& cluster_id, const std::string& path) {
  const Bytes bytes = encode_catalog_cache(cached, cluster_id);
  if (bytes.size() > kCatalogCacheBytesMax)
    return error(Code::Overloaded, "the catalog takes {} MiB, at most {} are kept", bytes.size() >> 20,
                 kCatalogCacheBytesMax >> 20);
  MESH_TRY_STATUS(make_dirs(path.substr(0, path.rfind('/'))));
  return write_file_atomic(path, bytes, {.mode = kFileMode});
}

}  // namespace

Bytes encode_catalog_cache(const CachedCatalog& cached, std::string_view cluster_id) {
  RecordFileWriter writer(kKind);
  CatalogCacheHeader header;
  header.cluster_id = cluster_id;
  header.index = cached.catalog.index();
  header.hash = cached.catalog.hash();
  header.fresh_at = cached.fresh_at;
  writer.add(encode(header));
  model::Catalog::RowCursor cursor;
  model::ChangeSet changes;
  changes.index = header.index;
  for (changes.rows = cached.catalog.next_rows(cursor, kRowsRecordBytes); !changes.rows.empty();
       changes.rows = cached.catalog.next_rows(cursor, kRowsRecordBytes))
    writer.add(encode(changes));
  return writer.finish();
}

Result<CachedCatalog> parse_catalog_cache(ByteView file, std::string_view cluster_id) {
  MESH_TRY(reader, RecordFileReader::open(kKind, file));
  MESH_TRY(header, read_header(reader, cluster_id));
  CachedCatalog cached{.catalog = {}, .fresh_at = header.fresh_at};
  for (;;) {
    MESH_TRY(record, reader.next());
    if (!record) break;
    MESH_TRY_STATUS(add_rows(cached.catalog, *record, header.index));
  }
  cached.catalog.loaded_at(header.index);
  if (cached.catalog.hash() != header.hash)
    return error(Code::Corrupt, "its rows are not those that its header tells (or of another release)");
  return cached;
}

CatalogCache::CatalogCache(net::Loop& loop, net::BlockingWorker& disk, Options options)
    : loop_(loop),
      disk_(disk),
      options_(std::move(options)),
      path_(options_.data_dir + "/cache/catalog"),
      timer_(loop, [this] { write(); }) {}

std::optional<CachedCatalog> CatalogCache::load() {
  const auto bytes = read_file(path_, ByteCount{kCatalogCacheBytesMax});
  if (!bytes.ok() && bytes.error().code == Code::NotFound) return std::nullopt;
  auto cached = bytes.ok() ? parse_catalog_cache(*bytes, options_.cluster_id) : Result<CachedCatalog>(bytes.error());
  if (!cached.ok()) {
    LOG_WARN("the catalog kept from the last run is of no use; it comes anew from a server", {"file", path_},
             {"why", cached.error()});
    return std::nullopt;
  }
  written_hash_ = cached->catalog.hash();
  return std::move(cached).value();
}

void CatalogCache::changed(const model::Catalog& catalog, WallTime fresh_at) {
  newest_ = CachedCatalog{.catalog = catalog, .fresh_at = fresh_at};
  if (stale() && !writing_ && timer_.deadline() == kNever) timer_.start_at(std::max(next_write_, loop_.now()));
}

void CatalogCache::flush() {
  if (newest_) write();
}

void CatalogCache::write() {
  writing_ = true;
  written_hash_ = newest_->catalog.hash();
  disk_.run([cached = *newest_, cluster_id = options_.cluster_id,
             path = path_] { return write_cache(cached, cluster_id, path); },
            [this](Status status) { written(std::move(status)); });
}

void CatalogCache::written(Status status) {
  writing_ = false;
  next_write_ = loop_.now() + options_.interval;
  ++counts_.writes_total;
  if (!status.ok()) {
    ++counts_.failures_total;
    written_hash_ = 0;
    if (!failing_) LOG_WARN("the catalog could not be kept on disk", {"file", path_}, {"why", status.error()});
  }
  failing_ = !status.ok();
  if (stale()) timer_.start_at(next_write_);
}

}  // namespace mesh::agent
