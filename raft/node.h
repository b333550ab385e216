// The state behind Core and its handlers. Internal to raft/: users see core.h.
//
// One step = one event handler, then due timers, then settle(): commit, send, apply, persist. Handlers change state
// and queue; only settle() and the senders below write into actions_. The handlers live in a file per concern:
//   node.cc            the step itself, role changes, recovery      election.cc     votes
//   follower.cc        appends and heartbeats received              replication.cc  appends and heartbeats sent, commit
//   reads.cc           ReadIndex, forwarding, lease                 membership.cc   configuration changes, transfer
//   snapshot_send.cc, snapshot_receive.cc, compaction.cc            invariants.cc   what must always hold
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <utility>
#include <variant>
#include <vector>

#include "base/rng.h"
#include "base/time.h"
#include "raft/actions.h"
#include "raft/configuration.h"
#include "raft/core.h"
#include "raft/event.h"
#include "raft/log_tail.h"
#include "raft/options.h"
#include "raft/outbox.h"
#include "raft/progress.h"
#include "raft/quorum.h"
#include "raft/read_queue.h"
#include "raft/snapshot_receiver.h"

namespace mesh::raft {

struct FollowerState {
  ServerId leader;
};

struct PreCandidateState {
  VoteTally tally;
};

struct CandidateState {
  VoteTally tally;
};

struct HandOver {
  std::optional<RequestId> request;  // none: begun by the core itself
  ServerId target;
  MonoTime deadline;
  bool asked = false;  // TimeoutNow was sent
};

struct LeaderState {
  struct Round {
    std::uint64_t number = 0;
    MonoTime sent_at;
  };
  std::map<ServerId, Progress> followers;
  Index term_start;             // the noop of this term
  MonoTime heartbeat_at;        // next regular round
  std::uint64_t round = 0;      // last one sent
  std::deque<Round> rounds;     // sent within the last election timeouts, for the lease
  ReadQueue reads;
  std::vector<ReadSource> early_reads;  // arrived before an entry of this term was committed
  std::optional<HandOver> hand_over;
  bool lease_void = false;      // a transfer was begun in this term: its vote requests pass by the lease
};

class Node {
 public:
  Node(const CoreOptions& options, ServerId self, RecoveredState recovered, Rng rng, MonoTime now);

  [[nodiscard]] Actions step(MonoTime now, Event event);
  [[nodiscard]] MonoTime next_deadline() const;
  [[nodiscard]] bool lease_valid(MonoTime now) const;
  void check_invariants() const;

  [[nodiscard]] RoleChange view() const;
  [[nodiscard]] std::vector<FollowerView> followers() const;
  [[nodiscard]] ServerId self() const { return self_; }
  [[nodiscard]] Term term() const { return hard_state_.term; }
  [[nodiscard]] Index commit() const { return commit_; }
  [[nodiscard]] Index applied() const { return applied_; }
  [[nodiscard]] Index durable() const { return outbox_.durable(); }
  [[nodiscard]] bool damaged() const { return damage_nonce_ != 0; }
  [[nodiscard]] MonoTime leader_heard() const { return leader_heard_; }
  [[nodiscard]] const LogTail& log() const { return log_; }
  [[nodiscard]] const Configuration& configuration() const { return history_.latest().configuration; }
  [[nodiscard]] bool configuration_committed() const { return history_.latest().index <= commit_; }

 private:
  // --- the step (node.cc) ---
  void on(Tick) {}
  void on(Receive event);
  void on(Persisted event);
  void on(Applied event);
  void on(StateFlushed event);
  void on(Propose event);
  void on(Read event);
  void on(ChangeMembership event);
  void on(Transfer event);
  void on(EntriesLoaded event);
  void on(SnapshotOpened event);
  void on(SnapshotRead event);
  void on(SnapshotWritten event);
  void on(SnapshotInstalled event);
  void on(SnapshotFailed event);
  void on(StorageFull event);
  void check_timers();
  void settle();
  void hand_out_entries();

  void send(ServerId to, MessageBody body) { send_in(hard_state_.term, to, std::move(body)); }
  void send_in(Term term, ServerId to, MessageBody body);
  void send_when_durable(ServerId to, MessageBody body);  // everything recorded so far
  void finish(RequestId id, Result<LogPosition> result) { actions_.outcomes.push_back({id, std::move(result)}); }

  void set_term(Term term, ServerId vote);
  void append_to_log(Entry entry);
  void recover(RecoveredState recovered);
  void become_follower(Term term, ServerId leader);
  void leave_leadership();
  void arm_election_timer();

  [[nodiscard]] LeaderState* leading() { return std::get_if<LeaderState>(&role_); }
  [[nodiscard]] const LeaderState* leading() const { return std::get_if<LeaderState>(&role_); }
  [[nodiscard]] bool is_voter() const { return configuration().is_voter(self_); }
  [[nodiscard]] bool alone() const { return is_voter() && configuration().voters.size() == 1; }

  // --- receive (node.cc) ---
  bool settle_terms(const Message& message);
  void handle(const Message& message, const VoteRequest& request);
  void handle(const Message& message, const VoteResponse& response);
  void handle(const Message& message, const AppendRequest& request);
  void handle(const Message& message, const AppendResponse& response);
  void handle(const Message& message, const Heartbeat& heartbeat);
  void handle(const Message& message, const HeartbeatResponse& response);
  void handle(const Message& message, const SnapshotChunk& chunk);
  void handle(const Message& message, const SnapshotResponse& response);
  void handle(const Message& message, const TimeoutNow& request);
  void handle(const Message& message, const ReadRequest& request);
  void handle(const Message& message, const ReadResponse& response);

  // --- election.cc ---
  [[nodiscard]] bool may_campaign() const;
  [[nodiscard]] bool leaves_uncommitted() const;
  [[nodiscard]] bool hears_leader() const;
  void campaign();
  void begin_election(bool transfer);
  void count_own_vote();
  void count_votes();
  void become_leader();
  void answer_pre_vote(const Message& message, const VoteRequest& request);

  // --- follower.cc ---
  bool hear_leader(ServerId leader);
  void note_repair(const Repair& repair);
  void finish_repair();
  void commit_through(Index index);
  [[nodiscard]] bool backlog_full() const;
  [[nodiscard]] bool well_formed(const Message& message, const AppendRequest& request) const;
  void take_entries(const std::vector<Entry>& entries);

  // --- replication.cc ---
  Progress* find_follower(ServerId id);  // null: not leading, or not a member
  Progress* admit_follower(ServerId id, std::uint64_t repair_nonce);
  void sync_followers();
  void advance_commit();
  void replicate();
  void replicate_to(ServerId id, Progress& progress);
  bool send_entries(ServerId id, Progress& progress);
  void send_append(ServerId id, Progress& progress, std::vector<Entry> entries);
  void load_entries(ServerId id, Progress& progress);
  void begin_round();
  void send_heartbeat(ServerId id, Progress& progress);
  [[nodiscard]] MonoTime quorum_heard() const;
  [[nodiscard]] Result<LogPosition> accept_proposal(Bytes payload);

  // --- reads.cc ---
  [[nodiscard]] bool own_term_committed() const;
  void enqueue_read(ReadSource source);
  void admit_early_reads();
  void confirm_reads();
  void begin_read_round();
  void deliver_read(const ConfirmedRead& read);
  void deliver_applied_reads();
  void refuse_reads(const char* why);
  void refuse_forwarded_reads();
  void expire_forwarded_reads();
  [[nodiscard]] std::size_t reads_waiting() const;

  // --- membership.cc ---
  [[nodiscard]] Status may_change(const MembershipChange& change) const;
  [[nodiscard]] Result<ServerId> transfer_target(ServerId wanted) const;
  Status begin_hand_over(std::optional<RequestId> request, ServerId wanted);
  void pursue_hand_over();
  void end_hand_over(Status why);
  void leave_if_removed();

  // --- snapshot_send.cc ---
  void begin_snapshot(Progress& progress);
  void send_chunk(ServerId id, Progress& progress);
  void pause_snapshot(Progress& progress);
  void close_snapshot(Progress& progress);
  [[nodiscard]] std::pair<ServerId, Progress*> snapshot_owner(SnapshotId id);
  void check_snapshot_timers();

  // --- snapshot_receive.cc ---
  void install_when_whole();
  void adopt_base(const LogBase& base);
  void answer_snapshot(ServerId leader, std::uint64_t id, SnapshotProgress progress, std::uint64_t sequence, Index index);
  void discard_snapshot();

  // --- compaction.cc ---
  void compact();
  [[nodiscard]] Index compaction_limit() const;

  const CoreOptions options_;
  const ServerId self_;
  Rng rng_;

  HardState hard_state_;  // in memory; perhaps not durable yet
  LogTail log_;
  ConfigurationHistory history_;
  Outbox outbox_;
  Index commit_;
  Index handed_;   // handed out for apply through here
  Index applied_;
  Index flushed_;  // durable in the tables
  std::uint64_t compact_at_bytes_;  // staggered by server

  std::uint64_t damage_nonce_ = 0;  // not 0: the log is damaged
  bool damage_clearing_ = false;     // whole again; being noted on disk
  std::optional<Index> repair_through_;
  Index matched_;  // equal to the log of this term's leader through here
  bool storage_full_ = false;

  std::variant<FollowerState, PreCandidateState, CandidateState, LeaderState> role_;
  MonoTime election_at_;   // not for leaders
  MonoTime leader_heard_;

  struct ForwardedRead {
    RequestId request;
    MonoTime deadline;
  };
  std::map<std::uint64_t, ForwardedRead> forwarded_reads_;  // ids grow, so deadlines do
  std::uint64_t next_read_id_;
  ApplyWaiters apply_waiters_;

  SnapshotReceiver receiver_;
  std::uint64_t next_snapshot_id_;

  MonoTime now_;
  Actions actions_;
  bool stepping_ = false;
};

}  // namespace mesh::raft
