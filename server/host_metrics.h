// What a RaftHost tells of its core, its log and its writes. Thread: the raft loop, but for the two of the log's writes,
// which the storage thread sets.
#pragma once

#include "base/metrics.h"
#include "raft/core.h"

namespace mesh::server {

struct HostMetrics {
  // A null registry counts nowhere.
  explicit HostMetrics(MetricRegistry* registry);

  // After a step.
  void show(const raft::Core& core, std::size_t writes_waiting);

  Gauge leader;
  Gauge term;
  Gauge commit_index;
  Gauge applied_index;
  Gauge log_entries;
  Gauge log_damaged;
  Gauge writes_waiting;
  Gauge disk_full;
  Counter elections;
  Counter leaderships;
  Counter snapshots_sent;
  Counter snapshots_installed;
  Histogram commit;     // from the leader's log until applied there
  Histogram log_write;  // on the storage thread
  Gauge log_bytes;      // likewise

 private:
  raft::Role role_ = raft::Role::Follower;
};

}  // namespace mesh::server
