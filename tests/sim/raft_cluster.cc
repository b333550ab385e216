#include "tests/sim/raft_cluster.h"

#include <algorithm>
#include <utility>

#include "tests/sim/outcome.h"

namespace mesh::sim {
namespace {

constexpr Duration kProgressWithin = seconds(5);   // after there is a leader, for every client
// Disk and messages of the last leg are slow by at most this much, also for a server that starts when the faults end.
constexpr Duration kLastLeg = milliseconds(150);
// With a window of one entry: a message each way and a sync at both ends, each as slow as the healed cluster allows.
constexpr Duration kCatchUpPerEntry = milliseconds(9);
constexpr Duration kLook = milliseconds(5);
constexpr Duration kTimeout = raft::CoreOptions{}.election_timeout;

raft::Configuration founders_of(HostId servers) {
  raft::Configuration out;
  for (HostId host = 0; host < servers; ++host) out.voters.push_back(id_of(host));
  return out;
}

}  // namespace

RaftCluster::RaftCluster(std::uint64_t seed)
    : seed_(seed), rng_(seed), profile_(draw_profile(rng_)),
      network_(queue_, rng_.fork(), profile_.network, servers() + profile_.clients,
               [this](HostId from, HostId to, Bytes message) { deliver(from, to, std::move(message)); }),
      checker_(servers()), faults_(queue_, network_, *this, rng_.fork(), profile_.faults),
      plays_(queue_, network_, *this, rng_.fork(), profile_.play),
      hooks_{.leads = [this](HostId host) { plays_.on_leader(host); },
             .truncated = [this](HostId host) { plays_.on_truncated(host); },
             .repairing = [this](HostId host) { plays_.on_repairing(host); },
             .whole = [this](HostId host) { plays_.on_whole(host); }} {
  const Surroundings around{queue_, network_, checker_, profile_, hooks_};
  for (HostId host = 0; host < servers(); ++host) {
    const HostId founders = host < profile_.servers ? profile_.servers : 0;
    servers_.push_back(std::make_unique<Server>(around, host, rng_.fork(), founders_of(founders)));
  }
  for (HostId i = 0; i < profile_.clients; ++i) {
    clients_.push_back(
        std::make_unique<Client>(queue_, network_, history_, rng_.fork(), servers() + i, servers(), profile_.load));
  }
}

RunReport RaftCluster::run() {
  TRACE(queue_, "seed {}: {}", seed_, describe(profile_));
  start_all();
  faults_.start();
  plays_.start();
  queue_.run_until(queue_.now() + profile_.faults_for);
  heal();
  RunReport report{.seed = seed_};
  await_elected(report);
  report.leader_after = await_usable();
  await_progress();
  for (const auto& client : clients_) client->stop();
  report.converged_after = await_convergence();
  check_equal_state();
  check_history();
  if (profile_.calm) check_good_weather();
  report.virtual_time = queue_.now().time_since_epoch();
  report.actions_total = queue_.actions_total();
  report.messages_total = network_.delivered_total();
  report.operations_total = history_.operations().size();
  report.answered_total = history_.answered_total();
  report.committed_total = checker_.committed().value();
  report.leaders_total = checker_.leaders_total();
  return report;
}

void RaftCluster::start_all() {
  for (HostId host = 0; host < servers(); ++host) {
    queue_.after(rng_.between(Duration(0), milliseconds(50)), [this, host] {
      if (!up(host)) start(host);
    });
  }
  for (const auto& client : clients_) client->start();
}

void RaftCluster::heal() {
  TRACE(queue_, "the faults end: {}", describe_servers());
  profile_.disk = DiskProfile{};
  profile_.driver.fail_ppm = 0;
  network_.set_profile(calm_network());
  plays_.stop();
  for (const auto& server : servers_) server->end_disk_faults();
  faults_.stop();
}

// Two election timeouts are what an election takes if the first who asks gets it. What can be promised: whoever asks may be
// refused, because others heard an old leader just then or because it does not know the term yet (to ask in that one at once
// would disturb the election that made it); its timer then runs for two more at most. Everyone with a log that the others do not outdo is then elected, unless two ask at the same time: such an
// election is lost, which is seen by its term, and costs two more. A write that stalled before the end is first waited for.
void RaftCluster::await_elected(RunReport& report) {
  healed_at_ = queue_.now();
  Duration stalled{};
  for (const auto& server : servers_) stalled = std::max(stalled, server->busy_for());
  const raft::Term before = highest_term();
  while (latest_leader() == nullptr || latest_leader()->term() < highest_term()) {
    queue_.run_until(queue_.now() + kLook);
    const std::uint64_t begun = highest_term() - before;
    report.elections_lost = begun > 0 ? begun - 1 : 0;
    const Duration elections = kTimeout * 4 + kTimeout * 2 * static_cast<std::int64_t>(report.elections_lost);
    if (queue_.now() - healed_at_ > stalled + elections + kLastLeg)
      violation("no leader, {} elections lost: {}", report.elections_lost, describe_servers());
  }
  report.elected_after = queue_.now() - healed_at_;
}

// A quorum may need a follower whose snapshot transfer failed a moment before the faults ended: that is begun anew after retry_interval.
Duration RaftCluster::await_usable() {
  const MonoTime elected = queue_.now();
  while (leader() == nullptr) {
    queue_.run_until(queue_.now() + kLook);
    if (queue_.now() - elected > profile_.core.retry_interval + seconds(1) + exits_to_come()) violation("no leader that commits: {}", describe_servers());
  }
  return queue_.now() - healed_at_;
}

// A server whose log rots while it runs ends when it reads the bad entry, starts anew, and others elect a leader meanwhile.
Duration RaftCluster::exits_to_come() const {
  const auto rotten = std::count_if(servers_.begin(), servers_.end(), [](const auto& server) { return server->rotten(); });
  return (kRestartAfter + kTimeout * 5) * rotten;
}

// Of the members: a server that was removed and does not know it may have gone on to a term of its own.
raft::Term RaftCluster::highest_term() const {
  const raft::Core* lead = latest_leader();
  if (lead != nullptr && !lead->configuration_committed()) lead = nullptr;
  raft::Term best;
  for (const auto& server : servers_) {
    const raft::Core* core = server->core();
    if (core == nullptr || (lead != nullptr && !lead->configuration().contains(core->self()))) continue;
    best = std::max(best, core->term());
  }
  return best;
}

void RaftCluster::await_progress() {
  const MonoTime from = queue_.now();
  const std::uint64_t answered = history_.answered_total();
  const std::uint64_t wanted = answered + 2 * clients_.size();
  while (history_.answered_total() < wanted) {
    queue_.run_until(queue_.now() + kLook);
    if (queue_.now() - from > kProgressWithin) {
      violation("clients got {} answers after the faults ended, wanted {}: {}", history_.answered_total() - answered,
                wanted - answered, describe_servers());
    }
  }
}

// The slowest follower pauses before a retry, perhaps again because an election (of a leader that was removed) comes between; then
// it takes what it lacks, in the worst case entry by entry.
Duration RaftCluster::await_convergence() {
  const MonoTime from = queue_.now();
  std::uint64_t lag = 0;
  for (const auto& server : servers_) {
    if (server->core() != nullptr) lag = std::max(lag, checker_.committed() - server->core()->applied());
  }
  const Duration within = profile_.core.retry_interval * 2 + kTimeout * 3 + exits_to_come() + kCatchUpPerEntry * static_cast<std::int64_t>(lag);
  while (!converged()) {
    queue_.run_until(queue_.now() + kLook);
    if (queue_.now() - from > within) violation("no convergence in {} ms: {}", to_millis(within), describe_servers());
  }
  return queue_.now() - from;
}

// The leader of the highest term that has committed in its term, if it knows its configuration as committed.
const raft::Core* RaftCluster::leader() const {
  const raft::Core* best = latest_leader();
  if (best == nullptr || best->term_at(best->commit()) != best->term()) return nullptr;
  return best;
}

const raft::Core* RaftCluster::latest_leader() const {
  const raft::Core* best = nullptr;
  for (const auto& server : servers_) {
    const raft::Core* core = server->core();
    if (core == nullptr || core->role() != raft::Role::Leader) continue;
    if (best == nullptr || core->term() > best->term()) best = core;
  }
  return best;
}

bool RaftCluster::converged() const {
  for (const auto& client : clients_) {
    if (!client->idle()) return false;
  }
  const raft::Core* lead = leader();
  if (lead == nullptr || lead->commit() != lead->last().index || !lead->configuration_committed()) return false;
  if (!lead->configuration().is_voter(lead->self())) return false;
  for (const raft::FollowerView& follower : lead->followers()) {
    if (follower.damaged || follower.match != lead->last().index) return false;
  }
  for (const auto& server : servers_) {
    const raft::Core* core = server->core();
    if (core == nullptr) return false;
    if (!lead->configuration().contains(core->self())) continue;
    if (core->damaged() || core->applied() != lead->commit() || core->configuration() != lead->configuration()) return false;
  }
  return true;
}

void RaftCluster::check_equal_state() const {
  const raft::Core* lead = leader();
  const Replica* reference = servers_[host_of(lead->self())]->machine();
  for (const auto& server : servers_) {
    if (!lead->configuration().contains(server->core()->self())) continue;
    const Replica* machine = server->machine();
    if (!machine->registers().same_state(reference->registers()) || machine->state_hash() != reference->state_hash()) {
      violation("servers {} and {} applied the same entries and differ", host_of(lead->self()),
                host_of(server->core()->self()));
    }
  }
}

void RaftCluster::check_history() const {
  const Judgement judgement = judge(history_.operations());
  if (judgement.verdict != Verdict::Linearizable) violation("history: {}", judgement.why);
}

void RaftCluster::check_good_weather() const {
  if (checker_.leaders_total() != 1) violation("{} leaders without any fault", checker_.leaders_total());
  const std::uint64_t unanswered = history_.operations().size() - history_.answered_total();
  if (unanswered != 0) violation("{} requests unanswered without any fault", unanswered);
}

void RaftCluster::deliver(HostId from, HostId to, Bytes message) {
  if (to < servers()) {
    servers_[to]->on_packet(from, std::move(message));
    return;
  }
  const auto reply = decode_client_reply(message);
  CHECK(reply.ok(), "{}", reply.error().message);
  clients_[to - servers()]->on_reply(*reply);
}

HostId RaftCluster::likely_leader() const {
  HostId best = 0;
  raft::Term best_term;
  for (HostId host = 0; host < servers(); ++host) {
    const raft::Core* core = servers_[host]->core();
    if (core == nullptr || core->role() != raft::Role::Leader || core->term() < best_term) continue;
    best = host;
    best_term = core->term();
  }
  return best;
}

// The promise is for less than half of the voters at a time: the others are a quorum, and all of them are needed.
bool RaftCluster::may_rot(HostId host) const {
  const auto rotten = std::count_if(servers_.begin(), servers_.end(), [](const auto& server) { return server->rotten(); });
  const bool minority = static_cast<HostId>(rotten) + 1 <= (profile_.servers - 1) / 2;
  return !servers_[host]->rotten() && minority;
}

void RaftCluster::rot(HostId host) {
  if (may_rot(host)) servers_[host]->rot();
}

void RaftCluster::rot_truncation(HostId host) {
  if (may_rot(host)) servers_[host]->rot_truncation();
}

std::vector<raft::ServerId> RaftCluster::voters(HostId as_seen_by) const {
  return servers_[as_seen_by]->core()->configuration().voters;
}

void RaftCluster::restore_members() {
  const HostId host = likely_leader();
  const raft::Core* core = servers_[host]->core();
  if (core == nullptr) return;
  for (HostId subject = 0; subject < servers(); ++subject) {
    if (core->configuration().is_voter(id_of(subject))) continue;
    const bool learns = core->configuration().is_learner(id_of(subject));
    const auto kind = learns ? raft::MembershipChange::Kind::Promote : raft::MembershipChange::Kind::AddLearner;
    servers_[host]->change_membership({kind, id_of(subject)});
    return;
  }
}

// Tends to the number of voters that the run began with; which servers they are wanders.
void RaftCluster::change_members() {
  const HostId host = likely_leader();
  const raft::Core* core = servers_[host]->core();
  if (core == nullptr) return;
  const raft::Configuration& now = core->configuration();
  const raft::ServerId subject = id_of(static_cast<HostId>(rng_.below(servers())));
  raft::MembershipChange change{raft::MembershipChange::Kind::AddLearner, subject};
  if (now.is_learner(subject)) {
    change.kind = rng_.below(5) == 0 ? raft::MembershipChange::Kind::Remove : raft::MembershipChange::Kind::Promote;
  } else if (now.is_voter(subject)) {
    if (now.voters.size() < profile_.servers && rng_.below(2) == 0) return;
    change.kind = rng_.below(3) == 0 ? raft::MembershipChange::Kind::Demote : raft::MembershipChange::Kind::Remove;
  }
  TRACE(queue_, "members: server {} is asked for change {} of {}", host, static_cast<int>(change.kind), host_of(subject));
  servers_[host]->change_membership(change);
}

void RaftCluster::transfer_leadership() {
  const HostId host = likely_leader();
  if (!up(host)) return;
  const std::uint64_t target = rng_.below(servers() + 1);
  TRACE(queue_, "transfer: server {} is asked to hand over to {}", host, target);
  servers_[host]->transfer(raft::ServerId(target));
}

std::string RaftCluster::describe_servers() const {
  std::string out;
  for (HostId host = 0; host < servers(); ++host) {
    const raft::Core* core = servers_[host]->core();
    if (core == nullptr) {
      out += fmt::format("\n  server {}: down", host);
      continue;
    }
    std::string voters;
    for (const raft::ServerId id : core->configuration().voters) voters += fmt::format(" {}", host_of(id));
    out += fmt::format("\n  server {}: {} in term {}, leader {}, log {} to {}, commit {}, applied {}, voters{}", host,
                       raft::role_name(core->role()), core->term().value(),
                       core->leader() == raft::kNoServer ? "none" : fmt::format("{}", host_of(core->leader())),
                       core->base().index.value(), core->last().index.value(), core->commit().value(),
                       core->applied().value(), voters);
  }
  return out;
}

}  // namespace mesh::sim
