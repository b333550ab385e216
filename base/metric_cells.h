// Per-thread cells behind base/metrics.h (see there for why). Private to the metrics.
//
// A Cells object hands out numbers of cells; each thread that adds to one gets a Shard, in which only that thread writes.
// A shard's blocks are allocated by its writer on first use and live as long as the Cells.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "base/metrics.h"

namespace mesh::metric_detail {

class Shard {
 public:
  Shard() = default;
  Shard(const Shard&) = delete;
  Shard& operator=(const Shard&) = delete;
  ~Shard();

  // The writing thread only.
  void add(std::uint32_t cell, std::uint64_t n);
  // Any thread.
  [[nodiscard]] std::uint64_t read(std::uint32_t cell) const;

 private:
  static constexpr std::size_t kBlockCells = 512;
  static constexpr std::size_t kBlocksMax = kMetricCellsMax / kBlockCells;
  using Block = std::array<std::atomic<std::uint64_t>, kBlockCells>;

  Block& block_for_writing(std::size_t index);

  std::array<std::atomic<Block*>, kBlocksMax> blocks_{};
};

class Cells : public std::enable_shared_from_this<Cells> {
 public:
  Cells();

  // Numbers of count new cells, consecutive. REQUIRES room under kMetricCellsMax.
  std::uint32_t reserve(std::uint32_t count);
  void add(std::uint32_t cell, std::uint64_t n) { shard_of_this_thread().add(cell, n); }
  [[nodiscard]] std::uint64_t sum(std::uint32_t cell) const;

  // For the thread's own list of shards (metric_cells.cc).
  [[nodiscard]] Shard* lease();
  void give_back(Shard* shard);

 private:
  Shard& shard_of_this_thread();

  const std::uint64_t id_;  // never used twice, unlike an address
  mutable std::mutex mutex_;
  std::uint32_t reserved_ = 0;                  // guarded by mutex_
  std::vector<std::unique_ptr<Shard>> shards_;  // guarded by mutex_
  std::vector<Shard*> idle_;                    // guarded by mutex_; left by ended threads, with their counts
};

}  // namespace mesh::metric_detail
