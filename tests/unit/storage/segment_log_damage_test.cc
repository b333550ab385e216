// What a disk that lies, a careless operator and a full disk may do to a Raft log.
#include <algorithm>
#include <map>

#include "base/file.h"
#include "base/hash.h"
#include "storage/posix_disk.h"
#include "tests/test.h"
#include "tests/unit/storage/log_model.h"

namespace mesh::storage {
namespace {

using Files = std::map<std::string, Bytes>;

struct Written {
  Files files;  // after a clean end
  LogModel model;
  std::vector<LogModel> history;
};

Files files_of(const sim::SimDisk& disk) {
  Files files;
  for (const std::string& path : disk.paths()) files[path] = *disk.content(path);
  return files;
}

void load(sim::SimDisk& disk, const Files& files) {
  for (const auto& [path, content] : files) disk.put(path, content);
}

template <class MakeBatch>
Written write_log(std::uint64_t seed, std::uint64_t batches, MakeBatch make_batch) {
  sim::SimDisk disk{Rng(seed)};
  Written out;
  {
    SegmentLog log(disk, test_options());
    REQUIRE(log.open().ok());
    for (std::uint64_t number = 1; number <= batches; ++number) {
      const raft::PersistBatch batch = make_batch(out.model, number);
      REQUIRE(log.write(batch).ok());
      out.model = outcomes(out.model, batch).back();
      out.history.push_back(out.model);
    }
  }
  disk.lose_power();
  disk.restore_power();
  out.files = files_of(disk);
  return out;
}

Written write_appends(std::uint64_t batches, std::uint64_t entries = 3) {
  return write_log(1, batches, [&](const LogModel& m, std::uint64_t n) { return append_batch(m, n, entries); });
}

std::string segment_path(std::uint64_t n) { return "/data/log/" + segment_file_name(n); }

bool ever_written(const Written& written, const raft::Entry& entry) {
  for (const LogModel& state : written.history)
    if (std::find(state.entries.begin(), state.entries.end(), entry) != state.entries.end()) return true;
  return false;
}

bool is_prefix(const std::vector<raft::Entry>& shorter, const std::vector<raft::Entry>& longer) {
  return shorter.size() <= longer.size() && std::equal(shorter.begin(), shorter.end(), longer.begin());
}

// Opens, checks that damage stays until it is cleared, repairs and checks that the log is whole again.
void check_repairable(sim::SimDisk& disk, const raft::RecoveredLog& first) {
  disk.lose_power();
  disk.restore_power();
  LogModel model = model_of(first);
  {
    SegmentLog log(disk, test_options());
    auto again = log.open();
    REQUIRE(again.ok());
    REQUIRE(again->damaged);
    REQUIRE(model_of(*again) == model);
    raft::PersistBatch batch = append_batch(model, 1, 4);
    batch.clear_damage = true;
    REQUIRE(log.write(batch).ok());
    model = outcomes(model, batch).back();
  }
  SegmentLog log(disk, test_options());
  auto whole = log.open();
  REQUIRE(whole.ok());
  EXPECT_FALSE(whole->damaged);
  REQUIRE(model_of(*whole) == model);
}

TEST_CASE("a flipped bit anywhere is harmless or reported as damage, and never costs term or vote") {
  std::uint64_t damaged = 0, harmless = 0;
  for (std::uint64_t seed = 1; seed <= 12; ++seed) {
    Rng rng(seed);
    const Written written = write_log(seed, 60, [&](const LogModel& m, std::uint64_t n) { return random_batch(rng, m, n); });
    for (int flip = 0; flip < 60; ++flip) {
      CAPTURE(seed);
      CAPTURE(flip);
      sim::SimDisk disk{rng.fork()};
      load(disk, written.files);
      auto it = written.files.begin();
      std::advance(it, rng.below(written.files.size()));
      disk.flip_bit(it->first, rng.below(it->second.size() * 8));
      SegmentLog log(disk, test_options());
      auto recovered = log.open();
      REQUIRE(recovered.ok());
      REQUIRE(recovered->hard_state == written.model.hard_state);
      REQUIRE(recovered->base == written.model.base);
      if (!recovered->damaged) {
        ++harmless;
        REQUIRE(recovered->entries == written.model.entries);
        continue;
      }
      ++damaged;
      for (const raft::Entry& entry : recovered->entries) REQUIRE(ever_written(written, entry));
      check_repairable(disk, *recovered);
    }
  }
  EXPECT_GT(damaged, 50);
  EXPECT_GT(harmless, 50);
}

TEST_CASE("a bad record with durable ones behind it is damage from its batch on") {
  const Written written = write_appends(20);
  sim::SimDisk disk{Rng(1)};
  load(disk, written.files);
  const Bytes content = written.files.at(segment_path(1));
  disk.flip_bit(segment_path(1), (content.find("entry 11 ") + 20) * 8);
  SegmentLog log(disk, test_options());
  auto recovered = log.open();
  REQUIRE(recovered.ok());
  EXPECT(recovered->damaged);
  EXPECT_EQ(recovered->entries.size(), 9);  // entries 10 to 12 were one batch
  REQUIRE(log.report().damage.has_value());
  EXPECT_EQ(log.report().damage->from.value(), 10);
  EXPECT_EQ(log.report().damage->durable_through.value(), 60);
  EXPECT_EQ(log.report().damage->segment, 1);
  check_repairable(disk, *recovered);
}

TEST_CASE("a flipped bit in the last batch is damage, because no torn write looks like it") {
  Written written = write_appends(5);
  written.files["/data/log/synced"] = Bytes(kLogPageBytes, '\0');
  const Bytes& content = written.files.at(segment_path(1));
  const std::size_t begin = content.find("entry 13 ") - kRecordHeaderBytes;
  const std::size_t end = content.find_last_not_of('\0') + 1;
  for (std::size_t byte = begin; byte < end; ++byte) {
    CAPTURE(byte - begin);
    sim::SimDisk disk{Rng(1)};
    load(disk, written.files);
    disk.flip_bit(segment_path(1), byte * 8 + byte % 8);
    SegmentLog log(disk, test_options());
    auto recovered = log.open();
    REQUIRE(recovered.ok());
    EXPECT_FALSE(log.report().torn.has_value());
    if (!recovered->damaged) {  // padding alone
      EXPECT_EQ(recovered->entries.size(), 15);
      continue;
    }
    EXPECT_EQ(recovered->entries.size(), 12);
    EXPECT_EQ(log.report().damage->from.value(), 13);
    if (byte % 16 == 0) check_repairable(disk, *recovered);
  }
}

// A payload that spans sectors; one of them never arrived.
TEST_CASE("a last batch that lacks a sector is a torn tail, unless the marker proves that it had been durable") {
  for (const bool marker_kept : {true, false}) {
    for (const std::size_t lost : {0, 1, 2, 3, 4}) {
      CAPTURE(marker_kept);
      CAPTURE(lost);
      Written written = write_log(1, 2, [](const LogModel& m, std::uint64_t n) {
        raft::PersistBatch batch = append_batch(m, n, 1);
        batch.entries.front().payload = Bytes(1900, 'x');
        return batch;
      });
      if (!marker_kept) written.files["/data/log/synced"] = Bytes(kLogPageBytes, '\0');
      Bytes& content = written.files.at(segment_path(1));
      const std::size_t begin = static_cast<std::size_t>(kSegmentDataOffset + record_bytes(1900));
      const std::size_t first = begin / kDiskSectorBytes * kDiskSectorBytes;
      const std::size_t from = std::max(begin, first + lost * kDiskSectorBytes);
      const std::size_t to = first + (lost + 1) * kDiskSectorBytes;
      REQUIRE(content.find_last_not_of('\0') >= from);
      std::fill(content.begin() + static_cast<std::ptrdiff_t>(from), content.begin() + static_cast<std::ptrdiff_t>(to), '\0');
      sim::SimDisk disk{Rng(1)};
      load(disk, written.files);
      SegmentLog log(disk, test_options());
      auto recovered = log.open();
      REQUIRE(recovered.ok());
      EXPECT_EQ(recovered->entries.size(), 1);
      EXPECT_EQ(recovered->damaged, marker_kept);
      EXPECT_EQ(log.report().torn.has_value(), !marker_kept);
    }
  }
}

TEST_CASE("a log that was repaired behind a record with an absurd number keeps what is appended then") {
  Written written = write_appends(2);
  Bytes record;
  RecordHeader header;
  header.batch = kLogNumberMax;
  header.index = raft::Index(7);
  header.term = raft::Term(1);
  header.ends_batch = true;
  append_record(record, header, "x");
  Bytes& content = written.files.at(segment_path(1));
  content.replace(content.find_last_not_of('\0') + 1, record.size(), record);
  sim::SimDisk disk{Rng(1)};
  load(disk, written.files);
  raft::RecoveredLog first;
  {
    SegmentLog log(disk, test_options());
    auto recovered = log.open();
    REQUIRE(recovered.ok());
    REQUIRE(recovered->damaged);
    first = std::move(*recovered);
  }
  EXPECT_EQ(first.entries.size(), 6);
  check_repairable(disk, first);
}

TEST_CASE("a synced tail that is gone is damage") {
  Written written = write_appends(5);
  Bytes& content = written.files.at(segment_path(1));
  const std::size_t start = content.find("entry 10 ") - kRecordHeaderBytes;
  std::fill(content.begin() + static_cast<std::ptrdiff_t>(start), content.end(), '\0');
  sim::SimDisk disk{Rng(1)};
  load(disk, written.files);
  SegmentLog log(disk, test_options());
  auto recovered = log.open();
  REQUIRE(recovered.ok());
  EXPECT(recovered->damaged);
  EXPECT_EQ(recovered->entries.size(), 9);
  EXPECT_EQ(log.report().damage->durable_through.value(), 15);
}

TEST_CASE("a segment cut short, emptied or overwritten by another is damage") {
  const Written written = write_appends(90);
  REQUIRE_GE(written.files.size(), 5);  // control, marker and three segments
  for (int kind = 0; kind < 3; ++kind) {
    CAPTURE(kind);
    Files files = written.files;
    Bytes& content = files.at(segment_path(2));
    if (kind == 0) content.resize(content.size() / 2);
    if (kind == 1) content.clear();
    if (kind == 2) content = files.at(segment_path(1));
    sim::SimDisk disk{Rng(1)};
    load(disk, files);
    SegmentLog log(disk, test_options());
    auto recovered = log.open();
    REQUIRE(recovered.ok());
    EXPECT(recovered->damaged);
    EXPECT(is_prefix(recovered->entries, written.model.entries));
    EXPECT_GT(recovered->entries.size(), 20);
    check_repairable(disk, *recovered);
  }
}

TEST_CASE("a write that went astray is found as damage") {
  sim::SimDisk disk{Rng(3)};
  LogModel model;
  {
    SegmentLog log(disk, test_options());
    REQUIRE(log.open().ok());
    for (std::uint64_t number = 1; number <= 6; ++number) {
      const raft::PersistBatch batch = append_batch(model, number, 2);
      if (number == 4) disk.misdirect_next_write(512);
      REQUIRE(log.write(batch).ok());
      model = outcomes(model, batch).back();
    }
  }
  SegmentLog log(disk, test_options());
  auto recovered = log.open();
  REQUIRE(recovered.ok());
  EXPECT(recovered->damaged);
  EXPECT_EQ(recovered->entries.size(), 6);
}

TEST_CASE("damage that shows when an entry is read is an error with file, offset and index") {
  const Written written = write_appends(3);
  sim::SimDisk disk{Rng(1)};
  load(disk, written.files);
  SegmentLog log(disk, test_options());
  REQUIRE(log.open().ok());
  disk.flip_bit(segment_path(1), (written.files.at(segment_path(1)).find("entry 5 ") + 20) * 8);
  EXPECT(log.read(raft::Index(1), raft::Index(4), ByteCount(10'000)).ok());
  auto bad = log.read(raft::Index(4), raft::Index(7), ByteCount(10'000));
  REQUIRE_FALSE(bad.ok());
  EXPECT_EQ(outcome_of(bad), Code::Corrupt);
  EXPECT_NE(error_text(bad).find("segment-0000000000000001.log, offset "), std::string::npos);
  EXPECT_NE(error_text(bad).find("entry 5"), std::string::npos);
}

Error open_error(const Files& files, SegmentLogOptions options = test_options()) {
  sim::SimDisk disk{Rng(1)};
  load(disk, files);
  SegmentLog log(disk, options);
  auto opened = log.open();
  REQUIRE_FALSE(opened.ok());
  EXPECT_EQ(log.write({}).ok(), false);
  return opened.error();
}

// With a right checksum, as a later release would write it.
void set_version(Bytes& content, std::size_t page_offset, std::uint32_t version) {
  Bytes field;
  append_be32(field, version);
  content.replace(page_offset + 8, 4, field);
  Bytes checksum;
  append_be64(checksum, xxh3_64(ByteView(content).substr(page_offset, kLogPageBytes - 8)));
  content.replace(page_offset + kLogPageBytes - 8, 8, checksum);
}

TEST_CASE("a log that is not ours, not whole or too new is refused with file and reason") {
  const Written written = write_appends(90);
  const auto says = [](const Error& e, std::string_view text) { return e.message.find(text) != std::string::npos; };
  {
    Files files = written.files;
    files.erase(segment_path(2));
    const Error e = open_error(files);
    EXPECT_EQ(e.code, Code::Corrupt);
    EXPECT(says(e, "segment-0000000000000002.log is missing"));
  }
  {
    SegmentLogOptions options = test_options();
    options.cluster_id = Uuid();
    const Error e = open_error(written.files, options);
    EXPECT_EQ(e.code, Code::Precondition);
    EXPECT(says(e, "belongs to cluster c1000000-"));
  }
  {
    Files files = written.files;
    files.erase("/data/log/control");
    const Error e = open_error(files);
    EXPECT_EQ(e.code, Code::Corrupt);
    EXPECT(says(e, "control does not"));
  }
  {
    Files files = written.files;
    files["/data/log/control"] = Bytes(kControlFileBytes, 'x');
    const Error e = open_error(files);
    EXPECT_EQ(e.code, Code::Corrupt);
    EXPECT(says(e, "none of its 4 copies is intact"));
  }
  {
    Files files = written.files;
    for (std::size_t page = 0; page < kControlFileBytes; page += kLogPageBytes)
      set_version(files["/data/log/control"], page, kLogFormatVersion + 1);
    const Error e = open_error(files);
    EXPECT_EQ(e.code, Code::Unsupported);
    EXPECT(says(e, "format version 3"));
  }
  {
    Files files = written.files;
    set_version(files[segment_path(2)], 0, 7);
    const Error e = open_error(files);
    EXPECT_EQ(e.code, Code::Unsupported);
    EXPECT(says(e, "segment-0000000000000002.log, offset 0: format version 7"));
  }
}

TEST_CASE("a full disk refuses writes, keeps reads and hard state, and works again once there is space") {
  sim::SimDisk disk{Rng(1)};
  SegmentLog log(disk, test_options());
  REQUIRE(log.open().ok());
  LogModel model;
  disk.set_capacity(4 * kTestSegmentBytes);
  std::uint64_t number = 0;
  bool warned_before = false;
  for (;;) {
    const raft::PersistBatch batch = append_batch(model, ++number, 2);
    const bool low = log.space_low();
    auto proof = log.write(batch);
    if (!proof) {
      EXPECT_EQ(outcome_of(proof), Code::Unavailable);
      warned_before = low;
      break;
    }
    model = outcomes(model, batch).back();
    REQUIRE(number < 1000);
  }
  EXPECT(warned_before);
  EXPECT(log.read(raft::Index(1), model.last().index + 1, ByteCount(1u << 20)).ok());
  raft::PersistBatch vote;
  vote.number = number;
  vote.hard_state = raft::HardState{raft::Term(9), raft::ServerId(2)};
  EXPECT(log.write(vote).ok());
  model.hard_state = *vote.hard_state;
  EXPECT_FALSE(log.write(append_batch(model, number, 2)).ok());

  disk.set_capacity(UINT64_MAX);
  const raft::PersistBatch batch = append_batch(model, number, 2);
  EXPECT(log.write(batch).ok());
  model = outcomes(model, batch).back();
  EXPECT_FALSE(log.space_low());
  disk.kill_process();
  SegmentLog again(disk, test_options());
  auto recovered = again.open();
  REQUIRE(recovered.ok());
  EXPECT(model_of(*recovered) == model);
}

TEST_CASE("compaction gives space back and keeps it bounded") {
  sim::SimDisk disk{Rng(1)};
  SegmentLog log(disk, test_options());
  REQUIRE(log.open().ok());
  LogModel model;
  for (std::uint64_t number = 1; number <= 400; ++number) {
    raft::PersistBatch batch = append_batch(model, number, 3);
    if (number % 10 == 0) {
      batch.compact_through = raft::LogBase{};
      batch.compact_through->position = model.last();
    }
    REQUIRE(log.write(batch).ok());
    model = outcomes(model, batch).back();
    REQUIRE(log.disk_bytes() <= 5 * kTestSegmentBytes);
    REQUIRE(disk.used_bytes() <= 5 * kTestSegmentBytes);
  }
  EXPECT_EQ(outcome_of(log.read(raft::Index(1), raft::Index(2), ByteCount(1))), Code::NotFound);
}

TEST_CASE("appending entries costs one sync") {
  sim::SimDisk disk{Rng(1)};
  SegmentLogOptions options = test_options(8u << 20);
  SegmentLog log(disk, options);
  REQUIRE(log.open().ok());
  LogModel model;
  raft::PersistBatch batch = append_batch(model, 1, 1);
  REQUIRE(log.write(batch).ok());
  model = outcomes(model, batch).back();
  const std::uint64_t before = disk.syncs_total();
  for (std::uint64_t number = 2; number <= 101; ++number) {
    batch = append_batch(model, number, 4);
    if (number % 10 == 0) {
      batch.truncate_from = model.last().index;
      batch.entries.clear();
    }
    REQUIRE(log.write(batch).ok());
    model = outcomes(model, batch).back();
  }
  EXPECT_EQ(disk.syncs_total() - before, 100);
}

TEST_CASE("the log works on real files as on simulated ones") {
  // The same code over PosixDisk: that a second process finds what the first wrote.
  auto dir = TempDir::make();
  REQUIRE(dir.ok());
  PosixDisk disk;
  SegmentLogOptions options = test_options();
  options.folder = dir->file("log");
  Rng rng(5);
  LogModel model;
  for (int life = 0; life < 4; ++life) {
    SegmentLog log(disk, options);
    auto recovered = log.open();
    REQUIRE(recovered.ok());
    REQUIRE(model_of(*recovered) == model);
    for (std::uint64_t number = 1; number <= 30; ++number) {
      const raft::PersistBatch batch = random_batch(rng, model, number);
      REQUIRE(log.write(batch).ok());
      model = outcomes(model, batch).back();
    }
  }
}

}  // namespace
}  // namespace mesh::storage
