#include "server/host_metrics.h"

#include <utility>

namespace mesh::server {

HostMetrics::HostMetrics(MetricRegistry* registry) {
  if (registry == nullptr) return;
  leader = registry->gauge({"meshd_raft_leader", "1 while this server leads"});
  term = registry->gauge({"meshd_raft_term", "Raft's term, as this server knows it"});
  commit_index = registry->gauge({"meshd_raft_commit_index", "Last entry that is committed, as this server knows it"});
  applied_index = registry->gauge({"meshd_raft_applied_index", "Last entry that this server has applied"});
  log_entries = registry->gauge({"meshd_raft_log_entries", "Entries in this server's log"});
  log_damaged = registry->gauge({"meshd_raft_log_damaged", "1 while damage was found in the log and no leader has repaired it"});
  log_bytes = registry->gauge({"meshd_raft_log_bytes", "Size of the log's files, with what is set aside for the next entries"});
  writes_waiting = registry->gauge({"meshd_raft_writes_waiting", "Writes that wait for their result at this leader"});
  disk_full = registry->gauge({"meshd_raft_disk_full", "1 while writes are refused because the disk is full"});
  elections = registry->counter({"meshd_raft_elections_total", "Elections in which this server stood"});
  leaderships = registry->counter({"meshd_raft_leaderships_total", "Elections that this server won"});
  const auto snapshots = registry->counters({"meshd_raft_snapshots_total", "Snapshots begun for another server, and installed here", {"direction"}});
  snapshots_sent = snapshots.with({"sent"});
  snapshots_installed = snapshots.with({"installed"});
  log_write = registry->histogram({"meshd_raft_log_write_seconds", "Time to write a batch to the log and sync it"}, HistogramScale::latency());
  commit = registry->histogram({"meshd_raft_commit_seconds", "Time of a write at the leader from its log until it is applied"},
                               HistogramScale::latency());
}

void HostMetrics::show(const raft::Core& core, std::size_t waiting) {
  const raft::Role before = std::exchange(role_, core.role());
  const auto stands = [](raft::Role role) { return role == raft::Role::Candidate || role == raft::Role::Leader; };
  if (stands(role_) && !stands(before)) elections.add();
  if (role_ == raft::Role::Leader && before != raft::Role::Leader) leaderships.add();
  leader.set(role_ == raft::Role::Leader ? 1 : 0);
  term.set(static_cast<double>(core.term().value()));
  commit_index.set(static_cast<double>(core.commit().value()));
  applied_index.set(static_cast<double>(core.applied().value()));
  log_entries.set(static_cast<double>(core.last().index.value() - core.base().index.value()));
  log_damaged.set(core.damaged() ? 1 : 0);
  writes_waiting.set(static_cast<double>(waiting));
}

}  // namespace mesh::server
