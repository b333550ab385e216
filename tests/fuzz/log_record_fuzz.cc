// The bytes of a segment file into recovery and on: open, append, open again. The first byte chooses: bit 0, a good
// header goes before the bytes; bit 1, the records' checksums are made right, so that what they say gets past them; bit 2, there is
// a marker. Whatever comes in: open() refuses or gives contiguous entries, and a second open finds what the first left.
#include <algorithm>
#include <cstdint>

#include "base/check.h"
#include "base/hash.h"
#include "storage/segment_log.h"
#include "tests/sim/sim_disk.h"

namespace {

using namespace mesh;
using namespace mesh::storage;

constexpr std::size_t kSegmentBytesMax = 64u << 10;
const std::string kFolder = "/data/log";

void put_be64(Bytes& content, std::size_t at, std::uint64_t value) {
  Bytes field;
  append_be64(field, value);
  content.replace(at, field.size(), field);
}

void seal_records(Bytes& content, std::uint64_t previous) {
  std::size_t at = kSegmentDataOffset;
  while (at < content.size()) {
    const auto record = peek_record(ByteView(content).substr(at));
    if (!record || record_bytes(record->length) > content.size() - at) return;
    put_be64(content, at + 8, previous);
    put_be64(content, at + 48, xxh3_64(ByteView(content).substr(at + 8, 40)));
    previous = xxh3_64(ByteView(content).substr(at + 8, kRecordHeaderBytes - 8 + record->length));
    put_be64(content, at, previous);
    at += static_cast<std::size_t>(record_bytes(record->length));
  }
}

Bytes segment_of(ByteView input, std::uint8_t choice) {
  const Bytes page = encode_segment_header(SegmentHeader{Uuid(), 1, 1, 0, 0, {}});
  Bytes content = (choice & 1) != 0 ? page : Bytes();
  content.append(input);
  if ((choice & 2) != 0 && content.size() > kSegmentDataOffset) seal_records(content, page_checksum(page));
  return content;
}

void fill(sim::SimDisk& disk, ByteView input, std::uint8_t choice) {
  ControlRecord control;
  control.number = 2;
  control.last_segment = 1;
  Bytes file = encode_control(control);
  file.resize(kControlFileBytes, '\0');
  disk.put(kFolder + "/control", file);
  if ((choice & 4) != 0) disk.put(kFolder + "/synced", encode_marker({2, raft::Index(2)}));
  disk.put(kFolder + "/" + segment_file_name(1), segment_of(input, choice));
}

void check_contiguous(const raft::RecoveredLog& log) {
  raft::Index expected = log.base.position.index + 1;
  for (const raft::Entry& entry : log.entries) {
    CHECK(entry.index == expected, "entry {} where {} belongs", entry.index.value(), expected.value());
    ++expected;
  }
}

void exercise(sim::SimDisk& disk) {
  const SegmentLogOptions options{kFolder, Uuid(), 16u << 10};
  raft::RecoveredLog first;
  {
    SegmentLog log(disk, options);
    auto opened = log.open();
    if (!opened) return;
    check_contiguous(*opened);
    first = std::move(*opened);
    raft::PersistBatch batch;
    const raft::LogPosition last =
        first.entries.empty() ? first.base.position : raft::LogPosition{first.entries.back().index, first.entries.back().term};
    batch.entries.push_back({last.index + 1, last.term, raft::EntryKind::Command, "appended"});
    CHECK(log.write(batch).ok(), "append after recovery");
    first.entries.push_back(batch.entries.front());
  }
  disk.lose_power();
  disk.restore_power();
  SegmentLog log(disk, options);
  auto again = log.open();
  CHECK(again.ok(), "second open: {}", again.ok() ? "" : again.error().message);
  CHECK(again->entries == first.entries && again->damaged == first.damaged, "the second open found another log");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0 || size > kSegmentBytesMax) return 0;
  sim::SimDisk disk{Rng(1)};
  fill(disk, ByteView(reinterpret_cast<const char*>(data) + 1, size - 1), data[0]);
  exercise(disk);
  return 0;
}
