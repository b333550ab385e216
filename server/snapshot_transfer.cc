#include "server/snapshot_transfer.h"

#include <algorithm>

#include "base/check.h"
#include "base/log.h"
#include "raft/message.h"

namespace mesh::server {

MESH_MESSAGE_TABLE(SnapshotChunkRows, MESH_SNAPSHOT_CHUNK_ROWS_FIELDS)

namespace {

// Rows of this many bytes, keys and values, go into a chunk: leaves room for the framing of very small rows.
constexpr ByteCount kChunkRowBytes{256 * 1024};

struct Chunk {
  Bytes data;
  bool last = false;
};

Result<Chunk> next_chunk(raft::TableSnapshot& snapshot) {
  MESH_TRY(rows, snapshot.next(kChunkRowBytes));
  SnapshotChunkRows message;
  for (raft::Row& row : rows) {
    message.rows.push_back({model::TableId(row.table), std::move(row.key), std::move(row.value)});
  }
  return Chunk{encode(message), rows.empty()};
}

Status add_chunk(raft::TableReplacement& replacement, ByteView data) {
  MESH_TRY(message, decode<SnapshotChunkRows>(data));
  std::vector<raft::Row> rows;
  for (model::RowChange& row : message.rows) {
    if (!row.value) return error(Code::Corrupt, "a row without a value in a snapshot");
    rows.push_back({row.table_id.value(), std::move(row.key), std::move(*row.value)});
  }
  return replacement.add(std::move(rows));
}

Result<std::vector<raft::Row>> all_rows(raft::TableStore& tables) {
  MESH_TRY(snapshot, tables.snapshot());
  std::vector<raft::Row> all;
  while (true) {
    MESH_TRY(rows, snapshot->next(kChunkRowBytes));
    if (rows.empty()) return all;
    std::move(rows.begin(), rows.end(), std::back_inserter(all));
  }
}

}  // namespace

void SnapshotTransfer::carry_out(raft::SnapshotAction action, raft::Index written) {
  written_ = written;
  std::visit([this](auto& alternative) { on_action(alternative); }, action);
}

void SnapshotTransfer::on_tables_written(raft::Index written) {
  written_ = written;
  for (const raft::OpenSnapshot& action : std::exchange(waiting_, {})) on_action(action);
}

void SnapshotTransfer::on_action(const raft::OpenSnapshot& action) {
  if (written_ < action.at_least) {
    waiting_.push_back(action);
  } else {
    open(action.id);
  }
}

void SnapshotTransfer::open(raft::SnapshotId id) {
  auto slot = std::make_shared<std::unique_ptr<raft::TableSnapshot>>();
  sending_[id] = slot;
  parts_.worker.run(
      [&tables = parts_.tables, slot]() -> Result<raft::Index> {
        MESH_TRY(snapshot, tables.snapshot());
        *slot = std::move(snapshot);
        return (*slot)->applied();
      },
      [this, id](Result<raft::Index> applied) {
        if (!applied.ok()) return fail(id, "opening a snapshot", applied.error());
        parts_.event(raft::SnapshotOpened{id, *applied});
      });
}

void SnapshotTransfer::on_action(const raft::ReadSnapshot& action) {
  const auto found = sending_.find(action.id);
  if (found == sending_.end()) return;
  parts_.worker.run(
      [slot = found->second]() -> Result<Chunk> {
        if (*slot == nullptr) return error(Code::Precondition, "the snapshot was not opened");
        return next_chunk(**slot);
      },
      [this, id = action.id](Result<Chunk> chunk) {
        if (!chunk.ok()) return fail(id, "reading a snapshot", chunk.error());
        parts_.event(raft::SnapshotRead{id, std::move(chunk->data), chunk->last});
      });
}

void SnapshotTransfer::on_action(const raft::CloseSnapshot& action) {
  std::erase_if(waiting_, [&](const raft::OpenSnapshot& open) { return open.id == action.id; });
  const auto found = sending_.find(action.id);
  if (found == sending_.end()) return;
  // The view belongs to the store and is released on the storage thread.
  parts_.worker.run([slot = std::move(found->second)] { return slot->reset(), Unit{}; }, [](Unit) {});
  sending_.erase(found);
}

void SnapshotTransfer::on_action(raft::WriteSnapshot& action) {
  if (action.sequence == 0) {
    if (receiving_id_) on_action(raft::DiscardSnapshot{*receiving_id_});
    receiving_id_ = action.id;
    receiving_ = std::make_shared<std::unique_ptr<raft::TableReplacement>>();
  }
  if (receiving_id_ != action.id)
    return fail(action.id, "receiving a snapshot", error(Code::Precondition, "not begun"));
  parts_.worker.run(
      [&tables = parts_.tables, slot = receiving_, data = std::move(action.data)]() -> Status {
        if (*slot == nullptr) {
          MESH_TRY(replacement, tables.replace());
          *slot = std::move(replacement);
        }
        return add_chunk(**slot, data);
      },
      [this, id = action.id, sequence = action.sequence](Status status) {
        if (!status.ok()) return fail(id, "receiving a snapshot", status.error());
        parts_.event(raft::SnapshotWritten{id, sequence});
      });
}

void SnapshotTransfer::on_action(const raft::InstallSnapshot& action) {
  if (receiving_id_ != action.id)
    return fail(action.id, "installing a snapshot", error(Code::Precondition, "not begun"));
  receiving_id_.reset();
  parts_.worker.run(
      [&tables = parts_.tables, slot = std::move(receiving_),
       base = action.base]() -> Result<std::vector<raft::Row>> {
        if (*slot == nullptr) return error(Code::Precondition, "no rows were received");
        MESH_TRY_STATUS((*slot)->commit(base));
        slot->reset();
        auto rows = all_rows(tables);
        // The tables are ahead of the machine now; a restart reads them again or says what is wrong with them.
        CHECK(rows.ok(), "an installed snapshot cannot be read: {}", rows.error().message);
        return rows;
      },
      [this, action](Result<std::vector<raft::Row>> rows) { load_machine(action, std::move(rows)); });
}

void SnapshotTransfer::load_machine(const raft::InstallSnapshot& action,
                                    Result<std::vector<raft::Row>> rows) {
  if (!rows.ok()) return fail(action.id, "installing a snapshot", rows.error());
  parts_.machine.begin_load();
  for (const raft::Row& row : *rows) {
    const Status status = parts_.machine.load(row);
    CHECK(status.ok(), "an installed snapshot does not load: {}", status.error().message);
  }
  const Status status = parts_.machine.end_load(action.base.position.index);
  CHECK(status.ok(), "an installed snapshot does not load: {}", status.error().message);
  parts_.installed(action.base);
  parts_.event(raft::SnapshotInstalled{action.id});
}

void SnapshotTransfer::on_action(const raft::DiscardSnapshot& action) {
  if (receiving_id_ != action.id) return;
  receiving_id_.reset();
  parts_.worker.run([slot = std::move(receiving_)] { return slot->reset(), Unit{}; }, [](Unit) {});
}

void SnapshotTransfer::fail(raft::SnapshotId id, std::string_view doing, const Error& error) {
  LOG_WARN("snapshot transfer failed", {"while", doing}, {"error", error});
  parts_.event(raft::SnapshotFailed{id});
}

}  // namespace mesh::server
