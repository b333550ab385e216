#include "tests/sim/server.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/check.h"
#include "base/mutant.h"
#include "base/uuid.h"
#include "storage/log_format.h"
#include "storage/segment_log.h"
#include "tests/sim/outcome.h"

namespace mesh::sim {
namespace {

constexpr Duration kFullRetry = milliseconds(50);

storage::SegmentLogOptions log_options(const Profile& profile) {
  return {.folder = "log", .cluster_id = Uuid(Uuid::Raw{7}), .segment_bytes = profile.driver.segment_bytes};
}

HostClock draw_clock(Rng& rng, MonoTime now, std::int64_t drift_ppm_max) {
  const auto span = static_cast<std::uint64_t>(2 * drift_ppm_max + 1);
  const std::int64_t drift = static_cast<std::int64_t>(rng.below(span)) - drift_ppm_max;
  return HostClock(now, MonoTime(rng.between(seconds(0), hours(100))), drift);
}

// Of bytes that say something, if some draws find one: much of a log file is zeroes kept for later.
std::uint64_t draw_bit(Rng& rng, const Bytes& content) {
  constexpr int kDraws = 40;
  std::uint64_t byte = rng.below(content.size());
  for (int i = 0; i < kDraws && content[byte] == 0; ++i) byte = rng.below(content.size());
  return byte * 8 + rng.below(8);
}

}  // namespace

// What a crash destroys.
struct Server::Running {
  std::unique_ptr<raft::LogStore> log;
  SimTables tables;
  Replica machine;
  std::unique_ptr<raft::Core> core;
  std::array<MonoTime, 2> lane_busy_until{};
  MonoTime armed_for = kNever;
  bool storage_full = false;
  std::uint64_t request_number = 0;
  std::vector<raft::Proposal> gathered;
  std::map<raft::RequestId, Asked> proposing;
  std::map<raft::RequestId, Asked> reading;
  std::map<raft::Index, Proposed> proposed;
  std::map<raft::SnapshotId, std::unique_ptr<raft::TableSnapshot>> outgoing;
  std::map<raft::SnapshotId, std::unique_ptr<raft::TableReplacement>> incoming;

  explicit Running(TablePlatter& platter) : tables(platter) {}
};

Server::Server(const Surroundings& around, HostId host, Rng rng, const raft::Configuration& founders)
    : around_(around), host_(host), rng_(rng),
      process_(around.queue, draw_clock(rng_, around.queue.now(), around.profile.drift_ppm_max)),
      disk_(rng_.fork()), platter_(rng_.fork()) {
  if (!founders.voters.empty()) bootstrap(founders);
}

Server::~Server() = default;

const raft::Core* Server::core() const { return running_ ? running_->core.get() : nullptr; }
const Replica* Server::machine() const { return running_ ? &running_->machine : nullptr; }

// --- life ---

void Server::start() {
  process_.start();
  running_ = std::make_unique<Running>(platter_);
  auto opened = open_stores();
  if (!opened.ok()) return exit_process(opened.error());
  raft::RecoveredState recovered = std::move(opened).value();
  around_.checker.on_recovered(host_, recovered, in_flight_ ? &*in_flight_ : nullptr, rotten_);
  rotten_ = recovered.log.damaged;
  in_flight_.reset();
  load_machine();
  TRACE(around_.queue, "server {} starts: term {}, log {} to {}, tables at {}", host_,
        recovered.log.hard_state.term.value(), recovered.log.base.position.index.value(),
        recovered.log.base.position.index.value() + recovered.log.entries.size(), recovered.tables.applied.value());
  running_->core = std::make_unique<raft::Core>(around_.profile.core, id_of(host_), std::move(recovered), rng_.fork(),
                                                process_.now());
  flush_later();
  step(raft::Tick{});
}

Result<raft::RecoveredState> Server::open_stores() {
  running_->log = std::make_unique<storage::SegmentLog>(disk_, log_options(around_.profile));
  auto log = running_->log->open();
  if (!log.ok()) return std::move(log).error();
  return raft::RecoveredState{std::move(log).value(), std::move(running_->tables.open()).value()};
}

void Server::load_machine() {
  running_->machine.begin_load();
  for (const raft::TableId table : Replica::tables()) {
    const Status walked = running_->tables.for_each(table, [this, table](ByteView key, ByteView value) {
      return running_->machine.load({table, Bytes(key), Bytes(value)});
    });
    CHECK(walked.ok(), "{}", walked.error().message);
  }
  CHECK(running_->machine.end_load(running_->tables.applied()).ok(), "load");
  around_.checker.on_state(host_, running_->tables.applied(), running_->machine.state_hash());
}

void Server::crash(bool power_lost) {
  if (in_flight_) strike_in_flight_write(power_lost);
  running_.reset();
  process_.crash();
  if (power_lost) {
    if (disk_.powered()) disk_.lose_power();
    disk_.restore_power();
  } else {
    disk_.kill_process();
  }
  platter_.crash(power_lost);
}

// The power may go between any two changes of the disk that the write under way makes.
void Server::strike_in_flight_write(bool power_lost) {
  constexpr std::uint64_t kChangesInAWrite = 8;
  if (rng_.below(3) == 0) return;
  if (power_lost) disk_.lose_power_after(rng_.below(kChangesInAWrite));
  (void)running_->log->write(*in_flight_);
}

void Server::bootstrap(const raft::Configuration& founders) {
  storage::SegmentLog log(disk_, log_options(around_.profile));
  CHECK(log.open().ok(), "a new log does not open");
  const raft::PersistBatch batch = raft::bootstrap_batch(founders);
  CHECK(log.write(batch).ok(), "bootstrap");
  around_.checker.on_durable(host_, batch);
}

// --- the core ---

void Server::step(raft::Event event) {
  raft::Core& core = *running_->core;
  const RaftChecker::Before before = RaftChecker::before(core);
  raft::Actions actions = core.step(process_.now(), std::move(event));
  core.check_invariants();
  if (actions.role && trace().on()) {
    TRACE(around_.queue, "server {} is {} in term {}, leader {}", host_, raft::role_name(actions.role->role),
          actions.role->term.value(), actions.role->leader.value());
  }
  around_.checker.after_step(host_, before, core, actions);
  if (actions.role && actions.role->role == raft::Role::Leader && before.role != raft::Role::Leader) around_.hooks.leads(host_);
  carry_out(std::move(actions));
  arm();
}

void Server::step_later(raft::Event event) {
  process_.after(Duration(0), [this, moved = std::move(event)]() mutable { step(std::move(moved)); });
}

void Server::arm() {
  const MonoTime due = running_->core->next_deadline();
  if (due >= running_->armed_for) return;
  running_->armed_for = due;
  process_.at(due, [this, due] {
    if (running_->armed_for != due) return;
    running_->armed_for = kNever;
    tick_if_due();
  });
}

void Server::tick_if_due() {
  if (running_->core->next_deadline() <= process_.now()) {
    step(raft::Tick{});
  } else {
    arm();
  }
}

void Server::carry_out(raft::Actions actions) {
  for (const raft::ReadOutcome& outcome : actions.reads) carry_out(outcome);
  for (const raft::Outcome& outcome : actions.outcomes) carry_out(outcome);
  for (const raft::Message& message : actions.messages) {
    TRACE(around_.queue, "  {} -> {}: {}", host_, host_of(message.to), raft::describe(message));
    if (host_of(message.to) < servers() && speaks(host_of(message.to))) around_.network.send(host_, host_of(message.to), raft::encode_message(message));
  }
  if (actions.persist) persist(std::move(*actions.persist));
  if (!actions.apply.empty()) queue_apply(std::move(actions.apply));
  for (const raft::LoadEntries& wanted : actions.loads) load(wanted);
  for (raft::SnapshotAction& action : actions.snapshots) queue_snapshot(std::move(action));
}

void Server::on_packet(HostId from, Bytes packet) {
  process_.now_or_when_resumed([this, from, bytes = std::move(packet)] {
    if (from >= servers()) {
      const auto request = decode_client_request(bytes);
      CHECK(request.ok(), "{}", request.error().message);
      on_request(from, *request);
      return;
    }
    if (!speaks(from)) return;
    auto message = raft::decode_message(bytes);
    if (!message.ok()) violation("server {}: {}", host_, message.error().message);
    step(raft::Receive{std::move(message).value()});
  });
}

void Server::change_membership(const raft::MembershipChange& change) {
  process_.now_or_when_resumed([this, change] {
    step(raft::ChangeMembership{raft::RequestId(++running_->request_number), change});
  });
}

void Server::transfer(raft::ServerId target) {
  process_.now_or_when_resumed([this, target] {
    step(raft::Transfer{raft::RequestId(++running_->request_number), target});
  });
}

void Server::propose(model::Command command) {
  process_.now_or_when_resumed([this, moved = std::move(command)]() mutable {
    stamp(moved, WallTime(process_.now().time_since_epoch()), rng_);
    step(raft::Propose{{{raft::RequestId(++running_->request_number), make_payload(KvCommand{}, moved)}}});
  });
}

// --- the log ---

void Server::in_lane(Lane lane, Duration cost, Process::Action job) {
  MonoTime& busy_until = running_->lane_busy_until[static_cast<std::size_t>(lane)];
  busy_until = std::max(busy_until, around_.queue.now()) + cost;
  process_.after(busy_until - around_.queue.now(), std::move(job));
}

Duration Server::busy_for() const {
  if (running_ == nullptr) return Duration(0);
  const auto& until = running_->lane_busy_until;
  return std::max(*std::max_element(until.begin(), until.end()) - around_.queue.now(), Duration(0));
}

Duration Server::draw_sync() {
  const DiskProfile& disk = around_.profile.disk;
  if (rng_.chance_ppm(disk.stall_ppm)) return rng_.between(disk.sync_min, disk.stall_max);
  return rng_.between(disk.sync_min, disk.sync_min + disk.sync_mean * 2);
}

void Server::persist(raft::PersistBatch batch) {
  CHECK(!in_flight_, "server {}: a second batch before the first is durable", host_);
  in_flight_ = std::move(batch);
  in_lane(Lane::Log, draw_sync(), [this] { write_in_flight(); });
}

void Server::write_in_flight() {
  auto durable = running_->log->write(*in_flight_);
  if (!durable.ok() && durable.error().code != Code::Unavailable) return exit_process(durable.error());
  if (durable.ok() == running_->storage_full) {
    running_->storage_full = !durable.ok();
    step(raft::StorageFull{running_->storage_full});
  }
  if (!durable.ok()) return in_lane(Lane::Log, kFullRetry, [this] { write_in_flight(); });
  around_.checker.on_durable(host_, *in_flight_);
  const bool whole = in_flight_->clear_damage;
  if (whole) rotten_ = false;
  if (running_->core->damaged() && !in_flight_->entries.empty()) around_.hooks.repairing(host_);
  const bool truncated = in_flight_->truncate_from.has_value() && !in_flight_->reset;
  in_flight_.reset();
  step(raft::Persisted{std::move(durable).value()});
  if (truncated) around_.hooks.truncated(host_);
  if (whole) around_.hooks.whole(host_);
}

// The server's own end: what its disk says is final. A supervisor starts it again.
void Server::exit_process(const Error& why) {
  TRACE(around_.queue, "server {} exits: {}", host_, why.message);
  if (!disk_faulty_) violation("server {} exits on a sound disk: {}", host_, why.message);
  running_.reset();
  process_.crash();
  disk_.kill_process();
  platter_.crash(false);
  around_.queue.after(kRestartAfter, [this] {
    if (!up()) start();
  });
}

void Server::fill_disk(bool full) {
  disk_.set_capacity(full ? disk_.used_bytes() : UINT64_MAX);
  disk_faulty_ = disk_faulty_ || full;
}

void Server::rot() {
  std::vector<std::string> paths = disk_.paths();
  std::erase_if(paths, [this](const std::string& path) { return disk_.content(path)->empty(); });
  if (paths.empty()) return;
  const std::string& path = paths[rng_.below(paths.size())];
  const std::uint64_t bit = draw_bit(rng_, *disk_.content(path));
  TRACE(around_.queue, "fault: bit {} of byte {} of {} on server {} flips", bit % 8, bit / 8, path, host_);
  disk_.flip_bit(path, bit);
  rotten_ = disk_faulty_ = true;
}

void Server::rot_truncation() {
  std::vector<std::string> paths = disk_.paths();
  std::sort(paths.rbegin(), paths.rend());
  for (const std::string& path : paths) {
    const Bytes content = *disk_.content(path);
    for (std::size_t at = content.size() / storage::kRecordAlignment * storage::kRecordAlignment; at > 0;) {
      at -= storage::kRecordAlignment;
      const auto record = storage::decode_record(ByteView(content).substr(at));
      if (!record || record->type != storage::RecordType::Truncation) continue;
      TRACE(around_.queue, "fault: the truncation to {} at byte {} of {} on server {} rots", record->index.value(), at, path, host_);
      disk_.flip_bit(path, (at + rng_.below(storage::kRecordHeaderBytes)) * 8 + rng_.below(8));
      rotten_ = true;
      return;
    }
  }
}

void Server::break_next_sync() {
  disk_.fail_next_sync();
  disk_faulty_ = true;
}

void Server::end_disk_faults() {
  disk_.fail_next_sync(false);
  fill_disk(false);
}

void Server::load(const raft::LoadEntries& wanted) {
  in_lane(Lane::Log, draw_sync(), [this, wanted] {
    raft::EntriesLoaded loaded{wanted.follower, {}};
    auto entries = running_->log->read(wanted.first, wanted.end, wanted.max_bytes);
    const bool rotten = !entries.ok() && entries.error().code == Code::Corrupt;
    if (rotten && !MESH_MUTANT(RottenReadRetried)) return exit_process(entries.error());
    if (entries.ok() && !fails()) loaded.entries = std::move(entries).value();
    step(std::move(loaded));
  });
}

// --- the state machine ---

void Server::queue_apply(std::vector<raft::Entry> entries) {
  const std::uint64_t part = around_.profile.driver.apply_entries_max;
  for (std::size_t from = 0; from < entries.size(); from += part) {
    const std::size_t to = std::min(entries.size(), from + part);
    std::vector<raft::Entry> some(std::make_move_iterator(entries.begin() + static_cast<std::ptrdiff_t>(from)),
                                  std::make_move_iterator(entries.begin() + static_cast<std::ptrdiff_t>(to)));
    in_lane(Lane::Tables, rng_.between(Duration(0), around_.profile.driver.apply_max),
            [this, moved = std::move(some)] { apply(moved); });
  }
}

void Server::apply(const std::vector<raft::Entry>& entries) {
  raft::TableBatch batch{entries.back().index, {}};
  for (const raft::Entry& entry : entries) {
    around_.checker.on_applied(host_, entry);
    raft::ApplyResult result;
    if (entry.kind == raft::EntryKind::Command) {
      result = running_->machine.apply(entry.index, entry.payload);
      around_.checker.on_result(host_, entry.index, running_->machine.result_hash());
    }
    around_.checker.on_state(host_, entry.index, running_->machine.state_hash());
    for (raft::RowWrite& row : result.rows) batch.rows.push_back(std::move(row));
    resolve(entry, result.result);
  }
  CHECK(running_->tables.write(batch).ok(), "tables");
  step(raft::Applied{batch.applied});
}

void Server::resolve(const raft::Entry& entry, const Bytes& result) {
  const auto found = running_->proposed.find(entry.index);
  if (found == running_->proposed.end()) return;
  const Proposed mine = found->second;
  running_->proposed.erase(found);
  if (mine.term != entry.term) {
    answer(mine.asked, ReplyStatus::Refused, 0, false);
    return;
  }
  const auto outcome = decode_kv_result(result);
  CHECK(outcome.ok(), "{}", outcome.error().message);
  answer(mine.asked, outcome->known ? ReplyStatus::Done : ReplyStatus::Forgotten, outcome->shown, outcome->swapped);
}

void Server::flush_later() {
  process_.after(rng_.between(Duration(0), around_.profile.driver.flush_every * 2), [this] {
    in_lane(Lane::Tables, draw_sync(), [this] {
      const auto through = running_->tables.flush();
      CHECK(through.ok(), "flush");
      flush_later();
      step(raft::StateFlushed{*through});
    });
  });
}

// --- snapshots ---

void Server::queue_snapshot(raft::SnapshotAction action) {
  in_lane(Lane::Tables, draw_sync(), [this, moved = std::move(action)] {
    std::visit([this](const auto& each) { carry_out(each); }, moved);
  });
}

void Server::carry_out(const raft::OpenSnapshot& open) {
  if (fails() || running_->tables.applied() < open.at_least) return step(raft::SnapshotFailed{open.id});
  auto snapshot = running_->tables.snapshot();
  const raft::Index applied = (*snapshot)->applied();
  TRACE(around_.queue, "server {} opens snapshot {} at {}", host_, open.id.value(), applied.value());
  running_->outgoing[open.id] = std::move(snapshot).value();
  step(raft::SnapshotOpened{open.id, applied});
}

void Server::carry_out(const raft::ReadSnapshot& read) {
  const auto found = running_->outgoing.find(read.id);
  if (found == running_->outgoing.end() || fails()) return step(raft::SnapshotFailed{read.id});
  const auto rows = found->second->next(ByteCount(around_.profile.driver.chunk_bytes));
  step(raft::SnapshotRead{read.id, encode_rows(*rows), rows->empty()});
}

void Server::carry_out(const raft::CloseSnapshot& close) { running_->outgoing.erase(close.id); }

void Server::carry_out(const raft::WriteSnapshot& write) {
  if (write.sequence == 0) {
    running_->incoming.clear();
    running_->incoming[write.id] = std::move(running_->tables.replace()).value();
  }
  const auto found = running_->incoming.find(write.id);
  if (found == running_->incoming.end() || fails()) return step(raft::SnapshotFailed{write.id});
  auto rows = decode_rows(write.data);
  if (!rows.ok()) violation("server {}: snapshot chunk: {}", host_, rows.error().message);
  CHECK(found->second->add(std::move(rows).value()).ok(), "rows");
  step(raft::SnapshotWritten{write.id, write.sequence});
}

void Server::carry_out(const raft::InstallSnapshot& install) {
  const auto found = running_->incoming.find(install.id);
  if (found == running_->incoming.end() || fails()) return step(raft::SnapshotFailed{install.id});
  CHECK(found->second->commit(install.base).ok(), "commit");
  running_->incoming.erase(found);
  load_machine();
  around_.checker.on_installed(host_, install.base.position.index);
  TRACE(around_.queue, "server {} installed a snapshot of {}", host_, install.base.position.index.value());
  step(raft::SnapshotInstalled{install.id});
}

void Server::carry_out(const raft::DiscardSnapshot& discard) { running_->incoming.erase(discard.id); }

// --- clients ---

void Server::on_request(HostId client, const ClientRequest& request) {
  const Asked asked{client, request.command.number, request.command.key};
  if (request.kind == OpKind::Read) {
    read(asked);
    return;
  }
  const raft::RequestId id(++running_->request_number);
  running_->proposing[id] = asked;
  const auto wall = WallTime(process_.now().time_since_epoch());
  running_->gathered.push_back({id, make_payload(request.command, product_command(request.command, wall, rng_))});
  if (running_->gathered.size() > 1) return;
  process_.after(rng_.between(Duration(0), around_.profile.driver.gather_max), [this] { send_gathered(); });
}

void Server::send_gathered() { step(raft::Propose{std::exchange(running_->gathered, {})}); }

void Server::read(const Asked& asked) {
  const bool by_lease = rng_.chance_ppm(around_.profile.driver.lease_read_ppm) &&
                        running_->core->lease_valid(process_.now());
  if (by_lease) TRACE(around_.queue, "server {} serves client {} by its lease", host_, asked.client);
  if (by_lease || MESH_MUTANT(ReadsFromLocalState)) {
    answer(asked, ReplyStatus::Done, running_->machine.registers().read(asked.key), false);
    return;
  }
  const raft::RequestId id(++running_->request_number);
  running_->reading[id] = asked;
  step(raft::Read{id});
}

void Server::carry_out(const raft::ReadOutcome& outcome) {
  const auto found = running_->reading.find(outcome.id);
  if (found == running_->reading.end()) violation("server {}: an outcome for a read that is not open", host_);
  const Asked asked = found->second;
  running_->reading.erase(found);
  if (!outcome.index.ok()) return answer(asked, ReplyStatus::Refused, 0, false);
  answer(asked, ReplyStatus::Done, running_->machine.registers().read(asked.key), false);
}

void Server::carry_out(const raft::Outcome& outcome) {
  const auto found = running_->proposing.find(outcome.id);
  if (found == running_->proposing.end()) return;  // of a membership change or a transfer
  const Asked asked = found->second;
  running_->proposing.erase(found);
  if (!outcome.result.ok()) return answer(asked, ReplyStatus::Refused, 0, false);
  running_->proposed[outcome.result->index] = Proposed{outcome.result->term, asked};
}

void Server::answer(const Asked& asked, ReplyStatus status, std::uint64_t value, bool swapped) {
  ClientReply reply{asked.number, status, swapped, value, {}};
  const raft::ServerId leader = running_->core->leader();
  if (status == ReplyStatus::Refused && leader != raft::kNoServer && leader != id_of(host_)) reply.leader = host_of(leader);
  around_.network.send(host_, asked.client, encode(reply));
}

}  // namespace mesh::sim
