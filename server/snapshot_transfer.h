// SnapshotTransfer: carries out the snapshot actions of a raft core on the storage thread: the sending side
// reads a consistent view of the tables in chunks, the receiving side collects chunks and installs them as a
// whole.
//
// A chunk is a field table (SnapshotChunkRows): rows in (table, key) order, so it is the same for every
// store. Thread: the raft loop; the blocking part runs on the worker. Ownership: what Parts names outlives
// it, and the worker is stopped first. Any failure becomes SnapshotFailed: the core gives the transfer up and
// begins anew later.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "base/message.h"
#include "model/tables.h"
#include "raft/actions.h"
#include "raft/event.h"
#include "raft/state_machine.h"
#include "raft/storage.h"
#include "net/blocking_worker.h"

namespace mesh::server {

#define MESH_SNAPSHOT_CHUNK_ROWS_FIELDS(F) \
  F(1, std::vector<model::RowChange>, rows, "Rows", "each with a value")
struct SnapshotChunkRows {
  MESH_MESSAGE(SnapshotChunkRows, MESH_SNAPSHOT_CHUNK_ROWS_FIELDS)
};

class SnapshotTransfer {
 public:
  struct Parts {
    net::BlockingWorker& worker;
    raft::TableStore& tables;
    raft::StateMachine& machine;
    std::function<void(raft::Event)> event;               // to the core
    std::function<void(const raft::LogBase&)> installed;  // the tables and the machine now stand at this base
  };

  explicit SnapshotTransfer(Parts parts) : parts_(std::move(parts)) {}

  // `written`: applied index of the rows in the tables.
  void carry_out(raft::SnapshotAction action, raft::Index written);
  void on_tables_written(raft::Index written);

 private:
  // Shared with jobs on the storage thread, which alone look into it.
  using Sending = std::shared_ptr<std::unique_ptr<raft::TableSnapshot>>;
  using Receiving = std::shared_ptr<std::unique_ptr<raft::TableReplacement>>;

  void on_action(const raft::OpenSnapshot& action);
  void on_action(const raft::ReadSnapshot& action);
  void on_action(const raft::CloseSnapshot& action);
  void on_action(raft::WriteSnapshot& action);
  void on_action(const raft::InstallSnapshot& action);
  void on_action(const raft::DiscardSnapshot& action);
  void open(raft::SnapshotId id);
  void load_machine(const raft::InstallSnapshot& action, Result<std::vector<raft::Row>> rows);
  void fail(raft::SnapshotId id, std::string_view doing, const Error& error);

  Parts parts_;
  raft::Index written_;
  std::vector<raft::OpenSnapshot> waiting_;  // for the tables to hold what they must contain
  std::map<raft::SnapshotId, Sending> sending_;
  std::optional<raft::SnapshotId> receiving_id_;
  Receiving receiving_;
};

}  // namespace mesh::server
