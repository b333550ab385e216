// The part of RaftHost that talks to the storage thread. At most one log write, one table write and one flush
// are under way; a batch that found the disk full is held and tried again.
#include <algorithm>
#include <utility>

#include "base/clock.h"
#include "base/log.h"
#include "server/raft_host.h"

namespace mesh::server {

// --- log

void RaftHost::write_log() {
  storage_->run(
      [log = stores_.log.get(), batch = log_batch_, time = metrics_.log_write, bytes = metrics_.log_bytes] {
        const MonoTime begun = mono_now();
        Result<raft::Durable> written = log->write(*batch);
        time.observe(mono_now() - begun);
        bytes.set(static_cast<double>(log->disk_bytes()));
        return written;
      },
      [this](Result<raft::Durable> result) { on_log_written(std::move(result)); });
}

void RaftHost::on_log_written(Result<raft::Durable> result) {
  log_held_ = !result.ok() && result.error().code == Code::Unavailable;
  if (log_held_) return update_full();
  if (!result.ok()) return fail(std::move(result).error().context("while writing the Raft log"));
  log_batch_.reset();
  update_full();
  step(raft::Persisted{std::move(*result)});
  advance_stop();
}

void RaftHost::load_entries(const raft::LoadEntries& load) {
  storage_->run(
      [log = stores_.log.get(), load] { return log->read(load.first, load.end, load.max_bytes); },
      [this, follower = load.follower](Result<std::vector<raft::Entry>> entries) {
        // An entry that rotted: only opening the log anew finds out what else did, marks it and has it repaired.
        if (!entries.ok() && entries.error().code == Code::Corrupt)
          return fail(std::move(entries).error().context("while reading the Raft log"));
        if (!entries.ok()) LOG_WARN("log entries not read", {"error", entries.error()});
        step(raft::EntriesLoaded{follower, entries.ok() ? std::move(*entries) : std::vector<raft::Entry>()});
      });
}

// --- tables

void RaftHost::write_tables() {
  if (failed_ || table_batch_ != nullptr || table_next_.applied <= written_) return;
  unflushed_bytes_ += std::exchange(table_next_bytes_, 0);
  const raft::Index applied = table_next_.applied;
  table_batch_ = std::make_shared<const raft::TableBatch>(std::exchange(table_next_, {applied, {}}));
  retry_tables();
}

void RaftHost::retry_tables() {
  storage_->run([tables = stores_.tables.get(), batch = table_batch_] { return tables->write(*batch); },
                [this](Status status) { on_tables_written(std::move(status)); });
}

void RaftHost::on_tables_written(Status status) {
  table_held_ = !status.ok() && status.error().code == Code::Unavailable;
  if (table_held_) return update_full();
  if (!status.ok()) return fail(std::move(status).error().context("while writing the state tables"));
  written_ = std::max(written_, table_batch_->applied);
  table_batch_.reset();
  update_full();
  snapshots_->on_tables_written(written_);
  write_tables();
  report_applied();
  schedule_flush();
  advance_stop();
}

void RaftHost::report_applied() {
  if (applied_ == applied_reported_ || table_next_bytes_ > options_.table_backlog_bytes_max) return;
  applied_reported_ = applied_;
  step(raft::Applied{applied_});
}

void RaftHost::on_installed(const raft::LogBase& base) {
  table_next_ = {base.position.index, {}};
  table_next_bytes_ = 0;
  metrics_.snapshots_installed.add();
  applied_ = applied_reported_ = written_ = flushed_ = base.position.index;
}

// --- flush

void RaftHost::schedule_flush() {
  const bool wanted = flushed_ < flush_wanted_ && flush_wanted_ <= written_;
  if (wanted || unflushed_bytes_ >= options_.flush_bytes) return flush();
  if (flush_timer_.deadline() == kNever) flush_timer_.start_after(options_.flush_interval);
}

void RaftHost::flush() {
  if (failed_ || flushing_ || written_ <= flushed_) return;
  flushing_ = true;
  flush_timer_.stop();
  unflushed_bytes_ = 0;
  storage_->run([tables = stores_.tables.get()] { return tables->flush(); },
                [this](Result<raft::Index> result) { on_flushed(std::move(result)); });
}

void RaftHost::on_flushed(Result<raft::Index> result) {
  flushing_ = false;
  if (!result.ok() && result.error().code == Code::Unavailable) {
    flush_timer_.start_after(kFullRetry);
  } else if (!result.ok()) {
    return fail(std::move(result).error().context("while flushing the state tables"));
  } else if (*result > flushed_) {
    flushed_ = *result;
    step(raft::StateFlushed{flushed_});
    if (written_ > flushed_) schedule_flush();
  }
  advance_stop();
}

// --- full disk

void RaftHost::update_full() {
  const bool full = log_held_ || table_held_;
  if (full) full_timer_.start_after(kFullRetry);
  const bool again = full && full_;
  if (full != full_) {
    full_ = full;
    metrics_.disk_full.set(full ? 1 : 0);
    LOG_WARN(full ? "no space on the disk: writes are refused"
                  : "space on the disk again: writes are accepted");
    step(raft::StorageFull{full});
  }
  if (log_held_ && is_leader() && (again || core_->configuration().voters.size() == 1)) {
    for (auto& [index, waiting] : std::exchange(proposals_logged_, {}))
      waiting.on_result(error(Code::Io, "no space on this server's disk: make room and write again; the write may still happen then"));
  }
  if (full) advance_stop();
}

void RaftHost::retry_full() {
  if (failed_) return;
  if (std::exchange(log_held_, false)) write_log();
  if (std::exchange(table_held_, false)) retry_tables();
}

}  // namespace mesh::server
