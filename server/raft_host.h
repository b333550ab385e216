// RaftHost: drives one raft::Core with a real loop, a storage thread, a log, tables, a transport and a state
// machine.
//
//   propose -> [Core] -> log write (storage thread) -> committed -> state machine -> answer
//                                                               \-> table batch (storage thread) -> flush ->
//                                                               log is cut
//
// Thread: everything on the raft loop's thread; the stores are touched by the storage thread only after
// open(). Ownership: the host owns the stores; loop, state machine, transport and observer outlive it.
// Completions fire once, never from inside the call that was given them; destroying the host drops them.
//
// Limits: proposals and reads waiting (Options); at most one log write, one table write and one flush are
// under way, what arrives meanwhile goes into the next (group commit). While more than
// table_backlog_bytes_max of rows wait for the tables, applied entries are not reported to the core, which
// then hands out no more.
//
// Disk full: writes are refused by the core, and at once (Io) what waits for the held batch, unless other servers may still
// commit it: then with the next try. The batch is tried again every kFullRetry, so a refused write may still happen; reads
// go on. Any other error of a write and a damaged record in the log are final: observer.on_fatal once, then the host does
// nothing more (a restart has the log repaired). Other errors of a read are tried again by the core.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "base/function.h"
#include "base/result.h"
#include "base/time.h"
#include "model/protocol.h"
#include "net/loop.h"
#include "net/timer.h"
#include "raft/core.h"
#include "raft/state_machine.h"
#include "raft/storage.h"
#include "net/blocking_worker.h"
#include "server/host_metrics.h"
#include "server/raft_transport.h"
#include "server/snapshot_transfer.h"

namespace mesh::server {

class RaftHostObserver {
 public:
  virtual ~RaftHostObserver() = default;
  virtual void on_role(const raft::RoleChange& change) = 0;
  // A store failed for good; the process should end. Nothing is acknowledged afterwards.
  virtual void on_fatal(const Error& error) = 0;
};

struct RaftHostOptions {
  raft::ServerId self;
  raft::CoreOptions core;
  std::uint64_t seed = 0;                            // for election timeouts; differs between servers
  std::size_t proposals_max = 16 * 1024;             // waiting for their result; more: Overloaded
  std::uint64_t table_backlog_bytes_max = 8u << 20;  // rows not yet given to the tables
  std::uint64_t flush_bytes = 16u << 20;             // written to the tables since the last flush
  Duration flush_interval = seconds(60);             // with anything unflushed
  MetricRegistry* metrics = nullptr;                 // outlives the host
};

struct RaftStores {
  std::unique_ptr<raft::LogStore> log;
  std::unique_ptr<raft::TableStore> tables;
};

class RaftHost {
 public:
  using OnResult = UniqueFunction<void(Result<Bytes>)>;
  using OnPosition = UniqueFunction<void(Result<raft::LogPosition>)>;
  using OnIndex = UniqueFunction<void(Result<raft::Index>)>;
  static constexpr Duration kFullRetry = seconds(1);
  static constexpr std::size_t kReadsWaitingMax = 16 * 1024;

  struct Parts {
    net::Loop& loop;
    raft::StateMachine& machine;
    RaftTransport& transport;
    RaftHostObserver& observer;
  };

  // Opens both stores and loads the state machine from the tables. Blocks (start of the process). Errors: of
  // the stores or of a row, with context.
  [[nodiscard]] static Result<std::unique_ptr<RaftHost>> open(Parts parts, RaftHostOptions options,
                                                              RaftStores stores);
  ~RaftHost();
  RaftHost(const RaftHost&) = delete;
  RaftHost& operator=(const RaftHost&) = delete;

  // The result of the command once it is applied here. Errors: Unavailable (not the leader, leadership lost:
  // the command may or may not have happened), Overloaded, Invalid (too large), Cancelled (stop).
  void propose(Bytes payload, OnResult on_result);

  // Fires when everything that was acknowledged before the call is applied here: at once under the leader's
  // lease (Default), else after one round with the quorum, which all callers that wait together share. Stale:
  // at once, with the applied index. Errors: Unavailable, Overloaded, Cancelled.
  void read(model::ReadMode mode, OnIndex on_index);

  void receive(raft::Message message);

  // Changes the configuration, one change at a time. The result: the entry of the change, which is in force and perhaps not
  // committed yet. Errors: Unavailable (not the leader), Precondition (too early: says why), Invalid, Cancelled.
  void change_members(raft::MembershipChange change, OnPosition on_result);

  // If this server leads and another voter can: hands leadership over, within about an election timeout. Fires once; ok also
  // if there was nothing to hand over, or nobody to: the role tells. Errors: Precondition, Timeout, Cancelled.
  void hand_over(UniqueFunction<void(Status)> on_done);

  // Refuses new work, cancels what waits, makes the tables durable, then fires once. The host may be
  // destroyed then.
  void stop(UniqueFunction<void()> on_stopped);

  [[nodiscard]] const raft::Core& core() const { return *core_; }
  [[nodiscard]] bool is_leader() const { return core_->role() == raft::Role::Leader; }
  // Leads and knows all that was committed before: its state is good enough to decide by.
  [[nodiscard]] bool serves() const { return is_leader() && core_->term_at(core_->applied()) == core_->term(); }
  // For a follower: how long ago the leader was heard; zero at the leader.
  [[nodiscard]] Duration leader_contact() const;

 private:
  struct QueuedProposal {
    Bytes payload;
    OnResult on_result;
  };
  struct Waiting {
    raft::Term term;
    OnResult on_result;
    MonoTime since;
  };
  struct QueuedRequest {  // a change of members, or (none) a hand-over
    std::optional<raft::MembershipChange> change;
    OnPosition on_result;
  };
  struct QueuedRead {
    model::ReadMode mode;
    OnIndex on_index;
  };

  RaftHost(Parts parts, const RaftHostOptions& options, RaftStores stores, raft::RecoveredState recovered);

  // raft_host.cc
  void step(raft::Event event);
  void carry_out(raft::Actions actions);
  void wake_end_of_turn();
  void end_of_turn();
  void send_proposals();
  void on_outcome(raft::Outcome outcome);
  void send_requests();
  void apply(std::vector<raft::Entry> entries);
  void apply_one(const raft::Entry& entry);
  void send_reads();
  void answer_reads(raft::ReadOutcome outcome);
  void fail(const Error& error);
  void cancel_waiting(const Error& error);
  void fail_overwritten();
  void advance_stop();

  // raft_host_storage.cc
  void write_log();
  void on_log_written(Result<raft::Durable> result);
  void write_tables();
  void retry_tables();
  void on_tables_written(Status status);
  void report_applied();
  void schedule_flush();
  void flush();
  void on_flushed(Result<raft::Index> result);
  void load_entries(const raft::LoadEntries& load);
  void on_installed(const raft::LogBase& base);
  void update_full();
  void retry_full();

  Parts parts_;
  RaftHostOptions options_;
  RaftStores stores_;
  HostMetrics metrics_;
  std::unique_ptr<raft::Core> core_;
  std::deque<raft::Event> events_;
  bool stepping_ = false;
  std::uint64_t request_next_ = 1;

  // A proposal is queued for this turn, then proposed (by request), then waits for its entry (by index).
  std::vector<QueuedProposal> proposals_queued_;
  std::map<std::uint64_t, OnResult> proposals_sent_;
  std::map<std::uint64_t, Waiting> proposals_logged_;

  std::vector<QueuedRequest> requests_queued_;
  std::map<std::uint64_t, OnPosition> requests_sent_;

  // A read is queued for the next round, then waits for the round under way.
  std::vector<QueuedRead> reads_queued_;
  std::vector<QueuedRead> reads_sent_;
  std::optional<raft::RequestId> read_round_;

  std::shared_ptr<const raft::PersistBatch> log_batch_;  // under way, or held while the disk is full
  std::shared_ptr<const raft::TableBatch> table_batch_;  // the same
  raft::TableBatch table_next_;                          // applied and not yet given to the storage thread
  std::uint64_t table_next_bytes_ = 0;
  raft::Index applied_;           // by the state machine
  raft::Index applied_reported_;  // to the core
  raft::Index written_;           // to the tables
  raft::Index flushed_;
  std::uint64_t unflushed_bytes_ = 0;
  raft::Index flush_wanted_;  // through here at once: see apply_one()
  bool flushing_ = false;
  bool log_held_ = false;    // the batch found no space and waits for full_timer_
  bool table_held_ = false;  // the same
  bool full_ = false;        // as the core was told
  bool failed_ = false;
  bool stopping_ = false;
  bool stopped_ = false;
  UniqueFunction<void()> on_stopped_;

  net::Timer step_timer_;
  net::Timer turn_timer_;
  net::Timer flush_timer_;
  net::Timer full_timer_;
  std::unique_ptr<net::BlockingWorker> storage_;  // its thread ends before anything that it uses
  std::unique_ptr<SnapshotTransfer> snapshots_;
};

// Makes `self` the one voter of a new cluster. Blocks; the store is opened, and must be opened anew (another
// object) by RaftHost::open. Errors: Conflict if the store is not empty; of the store.
[[nodiscard]] Status bootstrap(raft::LogStore& log, raft::ServerId self);

}  // namespace mesh::server
