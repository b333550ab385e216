#include "base/metric_cells.h"

#include "base/check.h"

namespace mesh::metric_detail {
namespace {

std::atomic<std::uint64_t> cells_made{0};

// The shards that this thread writes, one per living Cells; given back when the thread ends.
class ThreadShards {
 public:
  ThreadShards() = default;
  ThreadShards(const ThreadShards&) = delete;
  ThreadShards& operator=(const ThreadShards&) = delete;
  ~ThreadShards() {
    for (const Lease& lease : leases_)
      if (const auto cells = lease.cells.lock()) cells->give_back(lease.shard);
  }

  Shard* find_or_lease(std::uint64_t id, Cells& cells) {
    std::erase_if(leases_, [](const Lease& lease) { return lease.cells.expired(); });
    for (const Lease& lease : leases_)
      if (lease.id == id) return lease.shard;
    leases_.push_back({id, cells.weak_from_this(), cells.lease()});
    return leases_.back().shard;
  }

 private:
  struct Lease {
    std::uint64_t id;
    std::weak_ptr<Cells> cells;
    Shard* shard;
  };
  std::vector<Lease> leases_;
};

// The last one used; nearly every thread uses one registry only.
struct LastUsed {
  std::uint64_t id = 0;
  Shard* shard = nullptr;
};

thread_local ThreadShards thread_shards;
constinit thread_local LastUsed last_used;

}  // namespace

Shard::~Shard() {
  for (auto& block : blocks_) delete block.load(std::memory_order_relaxed);
}

void Shard::add(std::uint32_t cell, std::uint64_t n) {
  auto& value = block_for_writing(cell / kBlockCells)[cell % kBlockCells];
  value.store(value.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);  // one writer: no lost update
}

std::uint64_t Shard::read(std::uint32_t cell) const {
  const Block* block = blocks_[cell / kBlockCells].load(std::memory_order_acquire);
  return block == nullptr ? 0 : (*block)[cell % kBlockCells].load(std::memory_order_relaxed);
}

Shard::Block& Shard::block_for_writing(std::size_t index) {
  Block* block = blocks_[index].load(std::memory_order_relaxed);
  if (block == nullptr) {
    block = new Block{};
    blocks_[index].store(block, std::memory_order_release);
  }
  return *block;
}

Cells::Cells() : id_(cells_made.fetch_add(1, std::memory_order_relaxed) + 1) {}

std::uint32_t Cells::reserve(std::uint32_t count) {
  const std::lock_guard lock(mutex_);
  CHECK(reserved_ + count <= kMetricCellsMax, "more than {} metric cells", kMetricCellsMax);
  const std::uint32_t first = reserved_;
  reserved_ += count;
  return first;
}

std::uint64_t Cells::sum(std::uint32_t cell) const {
  const std::lock_guard lock(mutex_);
  std::uint64_t total = 0;
  for (const auto& shard : shards_) total += shard->read(cell);
  return total;
}

Shard* Cells::lease() {
  const std::lock_guard lock(mutex_);
  if (!idle_.empty()) {
    Shard* shard = idle_.back();
    idle_.pop_back();
    return shard;
  }
  shards_.push_back(std::make_unique<Shard>());
  return shards_.back().get();
}

void Cells::give_back(Shard* shard) {
  const std::lock_guard lock(mutex_);
  idle_.push_back(shard);
}

Shard& Cells::shard_of_this_thread() {
  if (last_used.id != id_) last_used = {id_, thread_shards.find_or_lease(id_, *this)};
  return *last_used.shard;
}

}  // namespace mesh::metric_detail
