// What a Raft log should hold, in the simplest terms, and a generator of batches; for tests of storage/segment_log.h.
#pragma once

#include <vector>

#include "base/rng.h"
#include "raft/storage.h"
#include "storage/segment_log.h"
#include "tests/sim/sim_disk.h"

namespace mesh::storage {

struct LogModel {
  raft::HardState hard_state;
  raft::LogBase base;
  std::vector<raft::Entry> entries;  // from base.position.index + 1

  friend bool operator==(const LogModel&, const LogModel&) = default;
  [[nodiscard]] raft::LogPosition last() const;
};

// The state before the batch and after each step of it that is atomic on disk; the last one is the whole batch.
[[nodiscard]] std::vector<LogModel> outcomes(const LogModel& before, const raft::PersistBatch& batch);

// A batch that a core could ask for in this state. Numbers count up from 1 in each process.
struct BatchProfile {
  std::uint64_t payload_bytes_max = 300;
  std::uint64_t entries_max = 6;
};
[[nodiscard]] raft::PersistBatch random_batch(Rng& rng, const LogModel& model, std::uint64_t number,
                                              const BatchProfile& profile = {});
[[nodiscard]] raft::PersistBatch append_batch(const LogModel& model, std::uint64_t number, std::uint64_t entries,
                                              std::size_t payload_bytes = 100);

[[nodiscard]] LogModel model_of(const raft::RecoveredLog& recovered);

inline constexpr std::uint64_t kTestSegmentBytes = 16 << 10;
[[nodiscard]] SegmentLogOptions test_options(std::uint64_t segment_bytes = kTestSegmentBytes);

}  // namespace mesh::storage
