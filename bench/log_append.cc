// Durable appends: the Raft log beside a raw loop of pwrite and fdatasync on a zeroed file of the same size, in turns on
// the same disk, so that both see the same weather. Run: log_append [FOLDER] [SECONDS]
#include <fmt/core.h>

#include <algorithm>
#include <cstdlib>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/file.h"
#include "storage/posix_disk.h"
#include "storage/segment_log.h"

namespace {

using namespace mesh;
using namespace mesh::storage;

constexpr std::size_t kPayloadBytes = 256;
constexpr int kRounds = 5;

struct Figures {
  std::vector<Duration> syncs;
  Duration total{};

  void add(Duration took) {
    syncs.push_back(took);
    total += took;
  }
  void print(std::string_view name, std::size_t batch) {
    std::sort(syncs.begin(), syncs.end());
    const double per_second = static_cast<double>(syncs.size()) / std::chrono::duration<double>(total).count();
    const auto micros = [&](double part) {
      return std::chrono::duration<double, std::micro>(syncs[static_cast<std::size_t>(part * static_cast<double>(syncs.size() - 1))]).count();
    };
    fmt::print("| {:8} | {:5} | {:9.0f} | {:10.0f} | {:6.0f} | {:6.0f} |\n", name, batch, per_second,
               per_second * static_cast<double>(batch), micros(0.5), micros(0.99));
  }
};

Status run_log(const std::string& folder, std::size_t batch_entries, Duration budget, Figures& figures) {
  PosixDisk disk;
  SegmentLog log(disk, {folder, Uuid(), kSegmentBytesDefault});
  MESH_TRY(recovered, log.open());
  raft::PersistBatch batch;
  raft::LogPosition last = recovered.entries.empty() ? recovered.base.position
                                                     : raft::LogPosition{recovered.entries.back().index, raft::Term(1)};
  const MonoTime end = mono_now() + budget;
  while (mono_now() < end) {
    batch.entries.clear();
    batch.compact_through.reset();
    for (std::size_t i = 0; i < batch_entries; ++i) {
      last = {last.index + 1, raft::Term(1)};
      batch.entries.push_back({last.index, last.term, raft::EntryKind::Command, Bytes(kPayloadBytes, 'x')});
    }
    if (++batch.number % 1024 == 0) {
      batch.compact_through = raft::LogBase{};
      batch.compact_through->position = last;
    }
    const MonoTime start = mono_now();
    MESH_TRY(proof, log.write(batch));
    figures.add(mono_now() - start);
  }
  return {};
}

Status run_raw(const std::string& path, std::size_t batch_entries, Duration budget, Figures& figures) {
  PosixDisk disk;
  MESH_TRY(file, disk.open(path, OpenMode::CreateNew));
  MESH_TRY_STATUS(file->write_at(0, Bytes(kSegmentBytesDefault, '\0')));
  MESH_TRY_STATUS(file->sync_data());
  const Bytes data(batch_entries * record_bytes(kPayloadBytes), 'x');
  const MonoTime end = mono_now() + budget;
  for (std::uint64_t offset = 0; mono_now() < end; offset += data.size()) {
    if (offset + data.size() > kSegmentBytesDefault) offset = 0;
    const MonoTime start = mono_now();
    MESH_TRY_STATUS(file->write_at(offset, data));
    MESH_TRY_STATUS(file->sync_data());
    figures.add(mono_now() - start);
  }
  return disk.remove(path);
}

Status run(const std::string& parent, Duration budget) {
  fmt::print("| what     | batch | syncs/s   | entries/s  | p50 us | p99 us |\n|---|---|---|---|---|---|\n");
  for (const std::size_t batch : {1, 16, 64, 256}) {
    Figures log, raw;
    for (int round = 0; round < kRounds; ++round) {
      MESH_TRY_STATUS(run_raw(parent + "/raw", batch, budget / kRounds, raw));
      MESH_TRY_STATUS(run_log(parent + "/log", batch, budget / kRounds, log));
      MESH_TRY_STATUS(remove_tree(parent + "/log"));
    }
    raw.print("raw file", batch);
    log.print("log", batch);
  }
  return {};
}

}  // namespace

int main(int argc, char** argv) {
  if (argc > 1) setenv("TMPDIR", argv[1], 1);
  auto dir = TempDir::make("log_append");
  const int budget_seconds = argc > 2 ? std::atoi(argv[2]) : 3;
  auto status = dir ? run(dir->path(), seconds(budget_seconds)) : Status(dir.error());
  if (!status) fmt::print(stderr, "log_append: {}\n", status.error().message);
  return status.ok() ? 0 : 1;
}
