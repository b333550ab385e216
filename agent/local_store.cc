#include "agent/local_store.h"

#include "agent/record_file.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "net/blocking_worker.h"
#include "net/loop.h"

namespace mesh::agent {

MESH_MESSAGE_TABLE(LocalRecord, MESH_LOCAL_RECORD_FIELDS)

namespace {

constexpr RecordFileKind kKind{.magic = "meshlocl", .version = 1};
constexpr mode_t kFileMode = 0600;

#define MESH_LOCAL_STORE_HEADER_FIELDS(F)                        \
  F(1, model::NodeId, node_id, "NodeID", "whose services")       \
  F(2, WallTime, saved_at, "SavedAt", "when it was written")
struct LocalStoreHeader {
  MESH_MESSAGE(LocalStoreHeader, MESH_LOCAL_STORE_HEADER_FIELDS)
};
MESH_MESSAGE_TABLE(LocalStoreHeader, MESH_LOCAL_STORE_HEADER_FIELDS)

// The inverse of instance_of.
model::ServiceDefinition definition_of(const model::ServiceInstance& instance) {
  model::ServiceDefinition definition;
  definition.id = instance.id;
  definition.name = instance.name;
#define MESH_COPY_FIELD(number, type, member, ...) definition.member = instance.member;
  MESH_SERVICE_SHARED_FIELDS(MESH_COPY_FIELD)
#undef MESH_COPY_FIELD
  return definition;
}

// A TTL promises something for its time only; what the agent runs itself is found out anew within an interval.
bool is_young(const model::CheckDefinition& check, Duration age) {
  return age >= Duration{} && age < (check.ttl != Duration{} ? check.ttl : kStoredStatusAgeMax);
}

class Restorer {
 public:
  Restorer(const StoredLocal& stored, Duration age, LocalState& local) : stored_(stored), age_(age), local_(local) {}

  std::vector<std::string> run() {
    for (const LocalRecord& record : stored_.records)
      if (record.service) add_service(*record.service);
    for (const LocalRecord& record : stored_.records) {
      if (record.check && record.from_api) add_check(*record.check);
      if (record.check && is_young(*record.check, age_)) set_status(record);
    }
    return std::move(refused_);
  }

 private:
  void add_service(const model::ServiceInstance& instance) {
    if (local_.services().contains(instance.id)) return;
    note("service", instance.id, local_.add_service(definition_of(instance), {.source = Source::Api}));
  }

  void add_check(const model::CheckDefinition& check) {
    if (local_.checks().contains(check.check_id)) return;
    note("check", check.check_id, local_.add_check(check, Source::Api));
  }

  // A check that is another one now, or gone, starts anew.
  void set_status(const LocalRecord& record) {
    const LocalCheck* check = local_.checks().find(record.check->check_id);
    if (check == nullptr || check->definition != *record.check) return;
    (void)local_.report_check(record.check->check_id, record.status, record.output);
  }

  void note(std::string_view what, std::string_view id, const Status& status) {
    if (!status.ok()) refused_.push_back(fmt::format("{} {}: {}", what, id, status.error().message));
  }

  const StoredLocal& stored_;
  Duration age_;
  LocalState& local_;
  std::vector<std::string> refused_;
};

// On the disk thread.
Status write_store(const LocalState& local, const std::string& path) {
  const Bytes bytes = encode_local_store(local, wall_now());
  if (bytes.size() > kLocalStoreBytesMax)
    return error(Code::Overloaded, "this node's services take {} MiB, at most {} are kept", bytes.size() >> 20,
                 kLocalStoreBytesMax >> 20);
  MESH_TRY_STATUS(make_dirs(path.substr(0, path.rfind('/'))));
  return write_file_atomic(path, bytes, {.mode = kFileMode});
}

}  // namespace

Bytes encode_local_store(const LocalState& local, WallTime saved_at) {
  RecordFileWriter writer(kKind);
  LocalStoreHeader header;
  header.node_id = local.node().id;
  header.saved_at = saved_at;
  writer.add(encode(header));
  for (const auto& [id, service] : local.services()) {
    if (service.source != Source::Api) continue;
    LocalRecord record;
    record.service = service.instance;
    writer.add(encode(record));
  }
  for (const auto& [id, check] : local.checks()) {
    LocalRecord record;
    record.check = check.definition;
    record.from_api = check.source == Source::Api;
    record.status = check.row.status;
    record.output = check.row.output;
    writer.add(encode(record));
  }
  return writer.finish();
}

Result<StoredLocal> parse_local_store(ByteView file, const model::NodeId& node_id) {
  MESH_TRY(reader, RecordFileReader::open(kKind, file));
  MESH_TRY(first, reader.next());
  if (!first) return error(Code::Corrupt, "there is no header");
  MESH_TRY(header, decode<LocalStoreHeader>(*first));
  if (header.node_id != node_id)
    return error(Code::Precondition, "it is of node {}, this is node {}", header.node_id.text(), node_id.text());
  StoredLocal stored{.saved_at = header.saved_at, .records = {}};
  for (;;) {
    MESH_TRY(bytes, reader.next());
    if (!bytes) return stored;
    if (stored.records.size() == kLocalServicesMax + kLocalChecksMax)
      return error(Code::Corrupt, "it has more services and checks than an agent takes");
    MESH_TRY(record, decode<LocalRecord>(*bytes));
    stored.records.push_back(std::move(record));
  }
}

std::vector<std::string> restore_local(const StoredLocal& stored, WallTime now, LocalState& local) {
  return Restorer(stored, now - stored.saved_at, local).run();
}

LocalStore::LocalStore(net::Loop& loop, net::BlockingWorker& disk, const std::string& data_dir,
                       UniqueFunction<void()> on_saved)
    : loop_(loop),
      disk_(disk),
      path_(data_dir + "/services/local"),
      on_saved_(std::move(on_saved)),
      timer_(loop, [this] { write(); }) {}

std::optional<StoredLocal> LocalStore::load(const model::NodeId& node_id) {
  const auto bytes = read_file(path_, ByteCount{kLocalStoreBytesMax});
  if (!bytes.ok() && bytes.error().code == Code::NotFound) return std::nullopt;
  auto stored = bytes.ok() ? parse_local_store(*bytes, node_id) : Result<StoredLocal>(bytes.error());
  if (stored.ok()) return std::move(stored).value();
  LOG_WARN("the services kept from the last run are of no use; register them again", {"file", path_},
           {"why", stored.error()});
  return std::nullopt;
}

void LocalStore::changed(LocalState local) {
  waiting_ = std::move(local);
  urgent_ = true;
  if (!writing_) write();
}

void LocalStore::status_changed(LocalState local) {
  waiting_ = std::move(local);
  if (!writing_ && timer_.deadline() == kNever) timer_.start_after(kLocalStoreStatusDelay);
}

void LocalStore::flush(LocalState local) {
  waiting_ = std::move(local);
  write();
}

void LocalStore::write() {
  timer_.stop();
  LocalState local = *std::exchange(waiting_, std::nullopt);
  const std::uint64_t revision = local.revision();
  urgent_ = false;
  writing_ = true;
  disk_.run([local = std::move(local), path = path_] { return write_store(local, path); },
            [this, revision](Status status) { written(revision, std::move(status)); });
}

void LocalStore::written(std::uint64_t revision, Status status) {
  writing_ = false;
  saved_revision_ = revision;
  ++counts_.writes_total;
  if (!status.ok()) {
    ++counts_.failures_total;
    if (!failing_) LOG_WARN("this node's services could not be kept on disk", {"file", path_}, {"why", status.error()});
  }
  failing_ = !status.ok();
  if (waiting_ && urgent_) write();
  else if (waiting_) timer_.start_after(kLocalStoreStatusDelay);
  on_saved_();
}

}  // namespace mesh::agent
