// Storage of the raft tests: a log and tables in memory that keep exactly what was made durable.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "raft/configuration.h"
#include "raft/storage.h"

namespace mesh::raft {

class MemoryLog final : public LogStore {
 public:
  Result<RecoveredLog> open() override { return log_; }

  Result<std::vector<Entry>> read(Index first, Index end, ByteCount max_bytes) override {
    if (first <= log_.base.position.index) return error(Code::NotFound, "compacted");
    std::vector<Entry> out;
    std::uint64_t bytes = 0;
    for (const Entry& entry : log_.entries) {
      if (entry.index < first || entry.index >= end) continue;
      bytes += entry_bytes(entry);
      if (!out.empty() && bytes > max_bytes.value()) break;
      out.push_back(entry);
    }
    return out;
  }

  // Loses everything from `from` on, as damage before the tail does.
  void damage(Index from) {
    log_.damaged = true;
    std::erase_if(log_.entries, [&](const Entry& entry) { return entry.index >= from; });
  }

 protected:
  Status write_durably(const PersistBatch& batch) override {
    if (batch.mark_damage) log_.damaged = true;
    if (batch.hard_state) log_.hard_state = *batch.hard_state;
    if (batch.reset) {
      log_.base = *batch.reset;
      log_.entries.clear();
    }
    if (batch.truncate_from)
      std::erase_if(log_.entries, [&](const Entry& entry) { return entry.index >= *batch.truncate_from; });
    for (const Entry& entry : batch.entries) {
      const Index expected = log_.base.position.index + log_.entries.size() + 1;
      CHECK(entry.index == expected, "entry {} written behind {}", entry.index.value(), expected.value() - 1);
      log_.entries.push_back(entry);
    }
    if (batch.compact_through) {
      log_.base = *batch.compact_through;
      std::erase_if(log_.entries, [&](const Entry& entry) { return entry.index <= log_.base.position.index; });
    }
    if (batch.clear_damage) log_.damaged = false;
    return {};
  }

 private:
  RecoveredLog log_;
};

// The state of the tests: the payloads of the commands, in order.
struct MemoryTables {
  RecoveredTables recovered;
  std::vector<std::string> rows;
};

}  // namespace mesh::raft
