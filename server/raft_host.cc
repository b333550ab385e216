#include "server/raft_host.h"

#include <iterator>
#include <utility>

#include "base/log.h"
#include "base/rng.h"
#include "model/tables.h"

namespace mesh::server {

namespace {

Status load_machine(raft::StateMachine& machine, raft::TableStore& tables, raft::Index applied) {
  MESH_TRY(snapshot, tables.snapshot());
  machine.begin_load();
  while (true) {
    MESH_TRY(rows, snapshot->next(ByteCount{1024 * 1024}));
    if (rows.empty()) return machine.end_load(applied);
    for (const raft::Row& row : rows) MESH_TRY_STATUS(machine.load(row));
  }
}

bool is_answered_now(model::ReadMode mode, const raft::Core& core, MonoTime now) {
  return mode == model::ReadMode::Stale || (mode == model::ReadMode::Default && core.lease_valid(now));
}

}  // namespace

Status bootstrap(raft::LogStore& log, raft::ServerId self) {
  MESH_TRY(found, log.open().context("while opening the Raft log"));
  const bool empty =
      found.entries.empty() && found.base == raft::LogBase{} && found.hard_state == raft::HardState{};
  if (!empty) return error(Code::Conflict, "the data directory holds a server's state already");
  const Result<raft::Durable> durable = log.write(raft::bootstrap_batch(raft::Configuration{{self}, {}}));
  if (!durable.ok()) return durable.error();
  return {};
}

Result<std::unique_ptr<RaftHost>> RaftHost::open(Parts parts, RaftHostOptions options, RaftStores stores) {
  raft::RecoveredState recovered;
  MESH_TRY(log, stores.log->open().context("while opening the Raft log"));
  MESH_TRY(tables, stores.tables->open().context("while opening the state tables"));
  MESH_TRY_STATUS(
      load_machine(parts.machine, *stores.tables, tables.applied).context("while loading the state"));
  LOG_INFO("server state loaded", {"applied", tables.applied}, {"log_entries", log.entries.size()},
           {"term", log.hard_state.term}, {"damaged", log.damaged});
  recovered.log = std::move(log);
  recovered.tables = std::move(tables);
  return std::unique_ptr<RaftHost>(new RaftHost(parts, options, std::move(stores), std::move(recovered)));
}

RaftHost::RaftHost(Parts parts, const RaftHostOptions& options, RaftStores stores,
                   raft::RecoveredState recovered)
    : parts_(parts),
      options_(options),
      stores_(std::move(stores)),
      metrics_(options.metrics),
      applied_(recovered.tables.applied),
      applied_reported_(applied_),
      written_(applied_),
      flushed_(applied_),
      step_timer_(parts.loop, [this] { step(raft::Tick{}); }),
      turn_timer_(parts.loop, [this] { end_of_turn(); }),
      flush_timer_(parts.loop, [this] { flush(); }),
      full_timer_(parts.loop, [this] { retry_full(); }) {
  core_ = std::make_unique<raft::Core>(options.core, options.self, std::move(recovered), Rng(options.seed),
                                       parts.loop.now());
  storage_ = std::make_unique<net::BlockingWorker>(parts.loop.ref(), "storage");
  snapshots_ = std::make_unique<SnapshotTransfer>(SnapshotTransfer::Parts{
      *storage_, *stores_.tables, parts.machine, [this](raft::Event event) { step(std::move(event)); },
      [this](const raft::LogBase& base) { on_installed(base); }});
  step_timer_.start_after(Duration::zero());
}

RaftHost::~RaftHost() { storage_.reset(); }

// --- events and actions

void RaftHost::step(raft::Event event) {
  if (failed_) return;
  events_.push_back(std::move(event));
  if (stepping_) return;  // carried out by the frame below: a core is not re-entered
  stepping_ = true;
  while (!events_.empty() && !failed_) {
    raft::Event next = std::move(events_.front());
    events_.pop_front();
    carry_out(core_->step(parts_.loop.now(), std::move(next)));
    metrics_.show(*core_, proposals_sent_.size() + proposals_logged_.size());
  }
  stepping_ = false;
  step_timer_.start_at(failed_ ? kNever : core_->next_deadline());
}

void RaftHost::carry_out(raft::Actions actions) {
  for (raft::Message& message : actions.messages) parts_.transport.send(std::move(message));
  if (actions.persist) {
    CHECK(log_batch_ == nullptr, "a second batch before the first was durable");
    log_batch_ = std::make_shared<const raft::PersistBatch>(std::move(*actions.persist));
    write_log();
  }
  if (actions.role) {
    LOG_INFO("raft role", {"role", raft::role_name(actions.role->role)}, {"term", actions.role->term},
             {"leader", actions.role->leader});
    parts_.observer.on_role(*actions.role);
  }
  for (raft::Outcome& outcome : actions.outcomes) on_outcome(std::move(outcome));
  if (!actions.apply.empty()) apply(std::move(actions.apply));
  for (raft::ReadOutcome& outcome : actions.reads) answer_reads(std::move(outcome));
  for (const raft::LoadEntries& load : actions.loads) load_entries(load);
  for (raft::SnapshotAction& action : actions.snapshots) {
    if (std::holds_alternative<raft::OpenSnapshot>(action)) metrics_.snapshots_sent.add();
    snapshots_->carry_out(std::move(action), written_);
  }
  if (!proposals_logged_.empty() && !is_leader()) fail_overwritten();
}

void RaftHost::receive(raft::Message message) {
  if (!stopping_) step(raft::Receive{std::move(message)});
}

// Work that callers gave in this turn of the loop goes to the core together.
void RaftHost::wake_end_of_turn() {
  if (turn_timer_.deadline() == kNever) turn_timer_.start_after(Duration::zero());
}

void RaftHost::end_of_turn() {
  send_proposals();
  send_reads();
  send_requests();
  if (!stopped_) return advance_stop();
  failed_ = true;  // nothing is stepped any more
  step_timer_.stop();
  full_timer_.stop();
  flush_timer_.stop();
  if (on_stopped_) std::exchange(on_stopped_, {})();  // may destroy the host
}

// --- proposals

void RaftHost::propose(Bytes payload, OnResult on_result) {
  proposals_queued_.push_back({std::move(payload), std::move(on_result)});
  wake_end_of_turn();
}

void RaftHost::send_proposals() {
  raft::Propose event;
  for (QueuedProposal& proposal : std::exchange(proposals_queued_, {})) {
    if (stopping_ || failed_) {
      proposal.on_result(error(Code::Cancelled, "the server is stopping"));
    } else if (proposals_sent_.size() + proposals_logged_.size() >= options_.proposals_max) {
      proposal.on_result(error(Code::Overloaded, "more than {} writes are waiting", options_.proposals_max));
    } else {
      const std::uint64_t id = request_next_++;
      event.proposals.push_back({raft::RequestId(id), std::move(proposal.payload)});
      proposals_sent_.emplace(id, std::move(proposal.on_result));
    }
  }
  if (!event.proposals.empty()) step(std::move(event));
}

void RaftHost::on_outcome(raft::Outcome outcome) {
  if (const auto request = requests_sent_.find(outcome.id.value()); request != requests_sent_.end()) {
    OnPosition on_result = std::move(request->second);
    requests_sent_.erase(request);
    return on_result(std::move(outcome.result));
  }
  const auto found = proposals_sent_.find(outcome.id.value());
  if (found == proposals_sent_.end()) return;
  OnResult on_result = std::move(found->second);
  proposals_sent_.erase(found);
  if (!outcome.result.ok()) return on_result(std::move(outcome.result).error());
  const auto [place, fresh] =
      proposals_logged_.try_emplace(outcome.result->index.value(), Waiting{outcome.result->term, {}, {}});
  if (!fresh) {  // an earlier term's proposal for the same index: a new leader's log took its place
    place->second.on_result(error(Code::Unavailable, "leadership was lost before the write was committed"));
    place->second.term = outcome.result->term;
  }
  place->second.on_result = std::move(on_result);
  place->second.since = parts_.loop.now();
}

void RaftHost::apply(std::vector<raft::Entry> entries) {
  for (raft::Entry& entry : entries) apply_one(entry);
  write_tables();
  report_applied();
}

void RaftHost::apply_one(const raft::Entry& entry) {
  CHECK(entry.index == applied_ + 1, "entry {} applied after {}", entry.index.value(), applied_.value());
  applied_ = entry.index;
  table_next_.applied = entry.index;
  Bytes result;
  if (entry.kind == raft::EntryKind::Command) {
    raft::ApplyResult applied = parts_.machine.apply(entry.index, entry.payload);
    for (raft::RowWrite& row : applied.rows) {
      // Where the other servers are must survive a crash of all of them: without it none finds another to elect.
      if (row.table == model::kTableServers.value()) flush_wanted_ = entry.index;
      table_next_bytes_ += row.key.size() + (row.value ? row.value->size() : 0);
      table_next_.rows.push_back(std::move(row));
    }
    result = std::move(applied.result);
  }
  const auto waiting = proposals_logged_.find(entry.index.value());
  if (waiting == proposals_logged_.end()) return;
  OnResult on_result = std::move(waiting->second.on_result);
  const bool ours = waiting->second.term == entry.term;
  if (ours) metrics_.commit.observe(parts_.loop.now() - waiting->second.since);
  proposals_logged_.erase(waiting);
  if (ours) return on_result(std::move(result));
  on_result(error(Code::Unavailable, "leadership was lost before the write was committed"));
}

// What this server proposed as a leader and another leader's log has cut off: a later leader may still bring it, so that
// nobody knows what becomes of it, and no entry of that index may come for long.
void RaftHost::fail_overwritten() {
  const auto gone = [this](const auto& item) { return core_->term_at(raft::Index(item.first)) != item.second.term; };
  std::vector<OnResult> lost;
  while (!proposals_logged_.empty() && gone(*proposals_logged_.rbegin())) {
    lost.push_back(std::move(proposals_logged_.rbegin()->second.on_result));
    proposals_logged_.erase(std::prev(proposals_logged_.end()));
  }
  for (OnResult& on_result : lost) on_result(error(Code::Unavailable, "leadership was lost before the write was committed"));
}

// --- leadership

void RaftHost::change_members(raft::MembershipChange change, OnPosition on_result) {
  requests_queued_.push_back({change, std::move(on_result)});
  wake_end_of_turn();
}

void RaftHost::hand_over(UniqueFunction<void(Status)> on_done) {
  requests_queued_.push_back(
      {std::nullopt, [on_done = std::move(on_done)](const Result<raft::LogPosition>& result) mutable {
         on_done(result.ok() ? Status() : Status(result.error()));
       }});
  wake_end_of_turn();
}

void RaftHost::send_requests() {
  for (QueuedRequest& request : std::exchange(requests_queued_, {})) {
    const bool possible = is_leader() && core_->configuration().voters.size() > 1;
    const raft::RequestId id(request_next_++);
    if (stopping_ || failed_) {
      request.on_result(error(Code::Cancelled, "the server is stopping"));
    } else if (request.change) {
      requests_sent_.emplace(id.value(), std::move(request.on_result));
      step(raft::ChangeMembership{id, *request.change});
    } else if (!possible) {
      request.on_result(core_->last());  // nobody to hand over to, or nothing
    } else {
      requests_sent_.emplace(id.value(), std::move(request.on_result));
      step(raft::Transfer{id, raft::kNoServer});
    }
  }
}

// --- reads

void RaftHost::read(model::ReadMode mode, OnIndex on_index) {
  reads_queued_.push_back({mode, std::move(on_index)});
  wake_end_of_turn();
}

void RaftHost::send_reads() {
  std::vector<QueuedRead> round;
  for (QueuedRead& read : std::exchange(reads_queued_, {})) {
    if (stopping_ || failed_) {
      read.on_index(error(Code::Cancelled, "the server is stopping"));
    } else if (is_answered_now(read.mode, *core_, parts_.loop.now())) {
      read.on_index(applied_);
    } else if (round.size() >= kReadsWaitingMax) {
      read.on_index(error(Code::Overloaded, "more than {} reads are waiting", kReadsWaitingMax));
    } else {
      round.push_back(std::move(read));
    }
  }
  if (round.empty()) return;
  if (read_round_) {  // a read may only join a round that begins after it
    reads_queued_ = std::move(round);
    return;
  }
  reads_sent_ = std::move(round);
  read_round_ = raft::RequestId(request_next_++);
  step(raft::Read{*read_round_});
}

void RaftHost::answer_reads(raft::ReadOutcome outcome) {
  if (read_round_ != outcome.id) return;
  read_round_.reset();
  for (QueuedRead& read : std::exchange(reads_sent_, {})) {
    if (outcome.index.ok()) {
      CHECK(applied_ >= *outcome.index, "a read of {} at {}", outcome.index->value(), applied_.value());
      read.on_index(*outcome.index);
    } else {
      read.on_index(outcome.index.error());
    }
  }
  if (!reads_queued_.empty()) wake_end_of_turn();
}

Duration RaftHost::leader_contact() const {
  if (is_leader()) return Duration::zero();
  return parts_.loop.now() - core_->leader_heard();
}

// --- end

void RaftHost::stop(UniqueFunction<void()> on_stopped) {
  CHECK(!stopping_, "stopped twice");
  stopping_ = true;
  on_stopped_ = std::move(on_stopped);
  wake_end_of_turn();
}

// Called whenever something that a stop waits for has ended. A full disk is not waited for: what is not in
// the tables is in the log. The end itself comes with the next turn.
void RaftHost::advance_stop() {
  if (!stopping_ || stopped_) return;
  cancel_waiting(error(Code::Cancelled, "the server is stopping"));
  if (!failed_ && !full_) {
    if (log_batch_ != nullptr || table_batch_ != nullptr || flushing_) return;
    if (written_ < table_next_.applied) return write_tables();
    if (flushed_ < written_) return flush();
  }
  stopped_ = true;
  wake_end_of_turn();
}

void RaftHost::fail(const Error& error) {
  if (failed_) return;
  failed_ = true;
  LOG_ERROR("the disk failed this server", {"error", error});
  cancel_waiting(mesh::error(Code::Unavailable, "this server's disk failed: {}", error.message));
  parts_.observer.on_fatal(error);
  advance_stop();
}

void RaftHost::cancel_waiting(const Error& error) {
  auto sent = std::exchange(proposals_sent_, {});
  auto logged = std::exchange(proposals_logged_, {});
  auto reads = std::exchange(reads_sent_, {});
  auto requests = std::exchange(requests_sent_, {});
  for (auto& [id, on_result] : sent) on_result(error);
  for (auto& [index, waiting] : logged) waiting.on_result(error);
  for (QueuedRead& read : reads) read.on_index(error);
  for (auto& [id, on_result] : requests) on_result(error);
}

}  // namespace mesh::server
